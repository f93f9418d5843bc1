import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, type WheelEvent } from 'react';
import { withFiles, type Shown } from '../chat/tree';
import { text } from '../text';
import { Announcer } from './Announcer';
import { Empty } from './Empty';
import { useChatState, useStore } from './hooks';
import { Pair } from './Pair';
import { Turn } from './Turn';
import { useWindow } from './useWindow';

const kNearEnd = 32;  // pixels

// The chat. It follows the end while the reader is at the end, and leaves the reader alone otherwise. Of a long chat only the
// turns near what is seen are on the page.
export function Thread({ editing, onEdit }: { editing: string | null; onEdit: (id: string | null) => void }) {
  const store = useStore();
  const { currentId, chats, messages } = useChatState();
  const path = store.shown();
  const chat = chats.find((c) => c.id === currentId);
  const busy = store.arriving().length > 0;
  const last = path[path.length - 1]?.message;
  const { view, content, following, away, toEnd, onScroll, onWheel } = useFollowing(currentId, path.filter((p) => p.message.role === 'user').length);

  const names = path.map((p) => p.message.id).join(' ');
  const ids = useMemo(() => (names === '' ? [] : names.split(' ')), [names]);
  const rows = useWindow(view, ids, (i) => guessedHeight(path[i]), () => following.current);

  return (
    <div className="thread">
      <div className="thread-view" ref={view} onScroll={onScroll} onWheel={onWheel} tabIndex={-1}>
        <div className="thread-content" ref={content}>
          {path.length === 0 ? <Empty /> : <h1 className="unseen">{chat?.title}</h1>}
          <div className="spacer" style={{ height: rows.before }} />
          {path.slice(rows.from, rows.to).map(({ message, siblings }, k) => {
            const pair = message.pair === undefined ? undefined : messages[message.chatId]?.[message.pair];
            const isLast = rows.from + k === path.length - 1;
            const turn = { message, siblings: siblings.join(' '), editing: editing === message.id, onEdit, busy, last: isLast };
            return (
              <div key={message.id} data-row={message.id} ref={rows.row(message.id)} className="row">
                {chat?.sendFrom === message.id && rows.from + k > 0 && <p className="divider">{text.dropped}</p>}
                {pair ? <Pair turn={turn} other={pair} /> : <Turn {...turn} />}
              </div>
            );
          })}
          <div className="spacer" style={{ height: rows.after }} />
        </div>
      </div>
      {away && <button type="button" className="latest" onClick={toEnd}>{text.latest}</button>}
      <Announcer message={last?.role === 'assistant' ? last : null} />
    </div>
  );
}

const kLineLength = 72;  // characters
const kLineHeight = 26;  // pixels
const kAround = 64;
const kMost = 20_000;

function guessedHeight(shown: Shown | undefined): number {
  if (!shown) return 0;
  const words = shown.message.role === 'user' ? withFiles(shown.message) : shown.message.content;
  return Math.min(kMost, kAround + kLineHeight * Math.ceil(words.length / kLineLength));
}

// Keeps the end in view as long as the reader is there, and at each new question and each other chat.
function useFollowing(chatId: string | null, questions: number) {
  const view = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const seen = useRef({ top: 0, height: 0, view: 0 });
  const [away, setAway] = useState(false);

  const toEnd = useCallback((): void => {
    const element = view.current;
    if (!element) return;
    following.current = true;
    element.scrollTop = element.scrollHeight;
    seen.current = placeOf(element);
    setAway(false);
  }, []);

  useLayoutEffect(() => {
    following.current = true;
    if (questions > 0) toEnd();  // asks the browser how high all is, before it has drawn: not for a page that opens with nothing said
    else setAway(false);
  }, [toEnd, chatId, questions]);

  useEffect(() => {
    if (!content.current || !view.current) return;
    const observer = new ResizeObserver(() => {
      if (following.current) toEnd();
      else if (view.current) setAway(isAway(view.current));
    });
    observer.observe(content.current);
    observer.observe(view.current);
    return () => observer.disconnect();
  }, [toEnd]);

  const onScroll = (): void => {
    const element = view.current;
    if (!element) return;
    // The place also changes where the sizes do, and then it was not the reader.
    const now = placeOf(element);
    const sameSize = now.height === seen.current.height && now.view === seen.current.view;
    if (sameSize && !isAway(element)) following.current = true;
    else if (sameSize && now.top < seen.current.top) following.current = false;
    seen.current = now;
    setAway(!following.current);
  };
  // A turn of the wheel upwards is the reader's, whatever grows meanwhile.
  const onWheel = (event: WheelEvent): void => {
    if (event.deltaY < 0 && view.current && view.current.scrollTop > 0) following.current = false;
  };
  return { view, content, following, away, toEnd, onScroll, onWheel };
}

function placeOf(element: HTMLElement): { top: number; height: number; view: number } {
  return { top: element.scrollTop, height: element.scrollHeight, view: element.clientHeight };
}

function isAway(element: HTMLElement): boolean {
  return element.scrollHeight - element.scrollTop - element.clientHeight > kNearEnd;
}
