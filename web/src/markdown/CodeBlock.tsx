import { memo, useEffect, useState, type ReactNode } from 'react';
import type { Span } from '../parts/highlight';
import { part } from '../parts';
import { text } from '../text';
import { CopyButton } from '../ui/CopyButton';

const kMaxColoured = 100_000;  // characters

// Code and its language, in colours once it is complete.
export const CodeBlock = memo(function CodeBlock({ text: code, language, growing }: { text: string; language: string; growing: boolean }) {
  const body = code.replace(/\n$/, '');
  const spans = useHighlighted(body, language, growing);
  return (
    <div className="code">
      <div className="code-head">
        <span>{language}</span>
        <CopyButton text={body} label={text.copyCode} />
      </div>
      <pre tabIndex={0} dir="ltr"><code>{spans ? spans.map((span, i) => coloured(span, i)) : visible(body)}</code></pre>
    </div>
  );
});

function coloured({ text: words, scope }: Span, key: number): ReactNode {
  return scope === '' ? visible(words) : <span key={key} className={`hl hl-${scope}`}>{visible(words)}</span>;
}

function useHighlighted(code: string, language: string, growing: boolean): Span[] | null {
  const [done, setDone] = useState<{ code: string; language: string; spans: Span[] | null } | null>(null);
  useEffect(() => {
    if (growing || language === '' || code.length > kMaxColoured) return;
    let wanted = true;
    void part('highlight').then(({ highlight }) => wanted && setDone({ code, language, spans: highlight(code, language.toLowerCase()) }), () => undefined);
    return () => {
      wanted = false;
    };
  }, [code, language, growing]);
  return done?.code === code && done.language === language ? done.spans : null;
}

// Characters that turn the direction of what follows can make code read as other code than it is, so they are shown.
export function visible(code: string): string {
  return code.replace(/[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]/g, (c) => `⟨U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`);
}
