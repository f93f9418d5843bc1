import { memo, useEffect, useRef, useState, type KeyboardEvent } from 'react';
import type { Token } from '../engine/engine';
import type { Message } from '../chat/types';
import { text } from '../text';
import { useStore } from './hooks';

const kMost = 4000;  // tokens

interface Part {
  text: string;
  look: string;      // class
  says: string;
  token?: Token;
}

// An answer token by token: in the colours of their probabilities where these were kept, else as the tokenizer cuts it. Tab goes
// to one token, the arrows to the others, and Enter to what could have been said instead.
export const TokensView = memo(function TokensView({ message, busy }: { message: Message; busy: boolean }) {
  const parts = useParts(message);
  const [at, setAt] = useState<number | null>(null);
  const [home, setHome] = useState(0);
  const box = useRef<HTMLDivElement>(null);

  const onKeyDown = (event: KeyboardEvent): void => {
    const tokens = box.current!.querySelectorAll<HTMLElement>('.token');
    const steps: Record<string, number> = { ArrowRight: home + 1, ArrowLeft: home - 1, Home: 0, End: tokens.length - 1 };
    const rtl = getComputedStyle(tokens[home]!).direction === 'rtl' && event.key.startsWith('Arrow');
    const next = rtl ? 2 * home - (steps[event.key] ?? NaN) : steps[event.key];
    if (event.key === 'Escape' && at !== null) {
      tokens[home]?.focus();
      setAt(null);
    } else if (event.key === 'ArrowDown' || (event.key === 'Enter' && event.target instanceof HTMLSpanElement)) box.current!.querySelector<HTMLElement>('.instead button:enabled')?.focus();
    else if (next !== undefined && tokens[next]) tokens[next].focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  if (parts === null) return <p className="note">{text.tokensUnknown}</p>;
  const open = at === null ? undefined : parts[at];
  return (
    <div className="tokens" ref={box} role="group" aria-label={text.tokensOf} onKeyDown={onKeyDown} onMouseLeave={() => setAt(null)}
      onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && setAt(null)}>
      <p className="note">{message.tokens ? text.tokensHint : text.piecesHint}</p>
      <div className="tokens-text" dir="auto">
        {parts.map((part, i) => (
          <span key={i} role="button" className={`token ${part.look}`} tabIndex={i === home ? 0 : -1} aria-label={`${part.text}, ${part.says}`}
            onMouseEnter={() => setAt(i)} onClick={() => setAt(i)} onFocus={() => {
              setHome(i);
              setAt(i);
            }}>
            {part.text.replace(/\n/g, '⏎\n')}
          </span>
        ))}
      </div>
      {open && at !== null && <Instead key={at} box={box.current!} at={at} part={open} message={message} busy={busy} />}
    </div>
  );
});

// What stands under a token: its probability, and the likeliest others, each of which can be gone on with.
function Instead({ box, at, part, message, busy }: { box: HTMLElement; at: number; part: Part; message: Message; busy: boolean }) {
  const store = useStore();
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const view = box.closest('.thread-view');
    const put = (): void => placeAt(box.querySelectorAll<HTMLElement>('.token')[at]!.getBoundingClientRect(), place.current!);
    place.current!.showPopover();
    put();
    view?.addEventListener('scroll', put, { passive: true });
    return () => view?.removeEventListener('scroll', put);
  }, [box, at]);
  const others = (part.token?.top ?? []).filter((t) => t.text !== part.token?.text);
  return (
    <div className="instead" ref={place} popover="manual">
      <p><bdi className="instead-token">{shown(part.text)}</bdi> {part.says}</p>
      {others.map((other) => (
        <button key={other.text} type="button" disabled={busy} aria-label={text.instead(other.text, share(other.logprob))} onClick={() => store.branch(message.id, at, other.text)}>
          <bdi className="instead-token">{shown(other.text)}</bdi><span>{share(other.logprob)}</span>
        </button>
      ))}
    </div>
  );
}

// Under the token, and beside it where the window ends below.
function placeAt(token: DOMRect, element: HTMLElement): void {
  const { offsetWidth: width, offsetHeight: height } = element;
  const fits = token.bottom + height <= innerHeight;
  const beside = token.right + width <= innerWidth ? token.right : token.left - width;
  element.style.top = `${fits ? token.bottom : Math.max(0, innerHeight - height)}px`;
  element.style.left = `${Math.max(0, fits ? Math.min(token.left, innerWidth - width) : beside)}px`;
}

// Undecided at first: an empty list. Null: nobody can tell.
function useParts(message: Message): Part[] | null {
  const store = useStore();
  const { tokens, content } = message;
  const [pieces, setPieces] = useState<Part[] | null>([]);
  useEffect(() => {
    if (tokens) return;
    const controller = new AbortController();
    void store.tokenize(content, controller.signal).then((found) => {
      if (controller.signal.aborted) return;
      setPieces(found && found.slice(0, kMost).map((p, i) => ({ text: p.text, look: `piece-${i % 4}`, says: text.tokenId(p.id) })));
    });
    return () => controller.abort();
  }, [store, tokens, content]);
  if (!tokens) return pieces;
  return tokens.slice(0, kMost).map((token) => ({ text: token.text, look: `sure-${sureness(token.logprob)}`, says: share(token.logprob), token }));
}

// Five steps, from 0 (below 10 %) to 4 (above 90 %).
function sureness(logprob: number): number {
  const p = Math.exp(logprob);
  return p > 0.9 ? 4 : p > 0.6 ? 3 : p > 0.3 ? 2 : p > 0.1 ? 1 : 0;
}

const kLeast = 0.001;  // what a share is said to be below

function share(logprob: number): string {
  const p = Math.exp(logprob);
  return p < kLeast ? `< ${text.probability(kLeast)}` : text.probability(p);
}

function shown(token: string): string {
  return token.replace(/\n/g, '⏎').replace(/^ | $/g, '␣');
}
