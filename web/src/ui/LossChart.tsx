import { useEffect, useRef, useState } from 'react';
import type { Point } from '../engine/runs';
import { text } from '../text';

const kHeight = 232;
const kEdge = { left: 44, right: 12, top: 24, bottom: 28 };

export interface Curve {
  name: string;
  points: readonly Point[];
  dotted?: boolean;  // each point with a dot: there are few
}

// Losses by step, drawn as wide as there is room.
export function LossChart({ curves }: { curves: readonly Curve[] }) {
  const place = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)));
    observer.observe(place.current!);
    return () => observer.disconnect();
  }, []);
  return <div ref={place} className="chart">{width > 0 && <Drawing curves={curves} width={width} />}</div>;
}

function Drawing({ curves, width }: { curves: readonly Curve[]; width: number }) {
  const all = curves.flatMap((c) => c.points);
  const first = curves[0]?.points[0];
  const last = curves[0]?.points.at(-1);
  if (!first || !last) return null;
  const xs = round(0, Math.max(...all.map(([x]) => x)), Math.max(2, Math.floor(width / 80)));
  const ys = round(Math.min(...all.map(([, y]) => y)), Math.max(...all.map(([, y]) => y)), 4);
  const right = Math.max(...all.map(([x]) => x), 1);
  const at = ([x, y]: Point): [number, number] => [
    kEdge.left + (x / right) * (width - kEdge.left - kEdge.right),
    kEdge.top + ((ys.at(-1)! - y) / (ys.at(-1)! - ys[0]!)) * (kHeight - kEdge.top - kEdge.bottom),
  ];
  return (
    <svg width={width} height={kHeight} role="img" aria-label={text.runs.curve(first[1], last[1], last[0])}>
      {ys.map((y) => {
        const [, top] = at([0, y]);
        return <g key={y}><line className="chart-rule" x1={kEdge.left} x2={width - kEdge.right} y1={top} y2={top} /><text x={kEdge.left - 8} y={top + 4} textAnchor="end">{text.runs.number(y)}</text></g>;
      })}
      <text x={kEdge.left} y={kEdge.top - 8}>{text.runs.nats}</text>
      <text x={kEdge.left} y={kHeight - 8}>{text.runs.where}</text>
      {xs.filter((x) => x > 0 && x <= right).map((x) => <text key={x} x={at([x, 0])[0]} y={kHeight - 8} textAnchor={x > 0.95 * right ? 'end' : 'middle'}>{text.runs.number(x)}</text>)}
      {curves.map(({ name, points, dotted }, i) => (
        <g key={name} className={`curve-${i}`}>
          <path d={points.map((p, k) => `${k === 0 ? 'M' : 'L'}${at(p).map((n) => n.toFixed(1)).join(' ')}`).join('')} />
          {points[0] && <text className="chart-name" x={at(points[0])[0] + 8} y={at(points[0])[1] + (dotted ? -6 : 4)}>{name}</text>}
          {dotted && points.map((p) => <circle key={p[0]} cx={at(p)[0]} cy={at(p)[1]} r="2.5" />)}
        </g>
      ))}
    </svg>
  );
}

// About so many round numbers from below `low` to above `high`.
function round(low: number, high: number, count: number): number[] {
  const span = high - low || Math.abs(high) || 1;
  const power = 10 ** Math.floor(Math.log10(span / count));
  const step = power * ([1, 2, 5].find((n) => span / (n * power) <= count) ?? 10);
  const from = Math.floor(low / step);
  return Array.from({ length: Math.max(2, Math.ceil(high / step) - from + 1) }, (_, i) => Number(((from + i) * step).toPrecision(12)));
}
