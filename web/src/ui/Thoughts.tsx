import { memo, useRef } from 'react';
import { text } from '../text';
import { useSeconds } from './hooks';

const clock = (): number => performance.now();

// One quiet line; a click opens what the model thought.
export const Thoughts = memo(function Thoughts({ thought, ms }: { thought: string; ms: number | undefined }) {
  const thinking = ms === undefined;
  const since = useRef(clock());
  const now = useSeconds(thinking, clock);
  return (
    <details className="thoughts">
      <summary>{thinking ? text.thinking(Math.floor((now - since.current) / 1000)) : text.thought(Math.round(ms / 1000))}</summary>
      <div className="thoughts-text" dir="auto">{thought.trim()}</div>
    </details>
  );
});
