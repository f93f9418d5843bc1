import { useEffect, useMemo, useRef, useState } from 'react';
import { parseGrown, plainText, type Parsed } from '../markdown/parse';
import { settle } from '../markdown/settle';
import type { Message } from '../chat/types';
import { text } from '../text';

// Reads an arriving answer to a screen reader sentence by sentence: an element that grew with every word would be
// interrupted, or read again from its beginning.
export function Announcer({ message }: { message: Message | null }) {
  const [said, setSaid] = useState<{ key: number; words: string }[]>([]);
  const heard = useRef({ id: '', upTo: 0, lines: 0 });
  const arriving = message?.state === 'streaming';
  const parsed = useRef<Parsed | null>(null);
  const words = useMemo(() => {
    if (!message) return '';
    parsed.current = parseGrown(arriving ? settle(message.content) : message.content, parsed.current);
    return parsed.current.blocks.map((b) => plainText(b.nodes)).join('\n').trimEnd();
  }, [message, arriving]);

  useEffect(() => {
    if (!message) return;
    if (heard.current.id !== message.id) {
      // A chat that was opened, not asked: its old answers are read where they stand.
      heard.current = { id: message.id, upTo: arriving ? 0 : words.length, lines: 1 };
      setSaid(arriving ? [{ key: 0, words: text.answering }] : []);
      return;
    }
    const end = arriving ? sentencesEnd(words) : words.length;
    const fresh = words.slice(heard.current.upTo, end).trim();
    if (end <= heard.current.upTo) return;
    heard.current.upTo = end;
    if (fresh === '') return;
    const line = { key: heard.current.lines++, words: fresh };  // lines that stay keep their elements, or they are read again
    setSaid((before) => [...before.slice(-20), line]);
  }, [message, arriving, words]);

  return <div className="unseen" role="log" aria-live="polite" aria-atomic="false">{said.map((line) => <p key={line.key}>{line.words}</p>)}</div>;
}

// Where the last complete sentence (or line) ends.
export function sentencesEnd(words: string): number {
  const ends = [...words.matchAll(/[.!?…。！？]["'”’)\]]*(?=\s)|\n/g)];
  const last = ends[ends.length - 1];
  return last ? last.index + last[0].length : 0;
}
