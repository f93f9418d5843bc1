import { createElement, memo, useEffect, useState, type ReactNode } from 'react';
import { part } from '../parts';
import type { MathNode } from '../parts/math';
import { text } from '../text';

// A formula; its source stands until the part that draws it is there, and where it is none.
export const Formula = memo(function Formula({ tex, display }: { tex: string; display: boolean }) {
  const [drawn, setDrawn] = useState<{ tex: string; node: MathNode | null } | null>(null);
  useEffect(() => {
    let wanted = true;
    void part('math').then(({ math }) => wanted && setDrawn({ tex, node: math(tex, display) }), () => undefined);
    return () => {
      wanted = false;
    };
  }, [tex, display]);
  const node = drawn?.tex === tex ? drawn.node : null;
  const body = node ? element(node, 0) : <code>{tex}</code>;
  return display ? <span className="formula" role="group" aria-label={text.formula} tabIndex={0}>{body}</span> : body;
});

function element(node: MathNode, key: number): ReactNode {
  return createElement(node.tag, { key, ...node.attributes }, ...node.children.map((child, i) => (typeof child === 'string' ? child : element(child, i))));
}
