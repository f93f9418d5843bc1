import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { text } from '../text';
import { Announcer } from './Announcer';
import { Empty } from './Empty';
import { useChatState, useStore } from './hooks';
import { Turn } from './Turn';

const kNearEnd = 32;  // pixels
const kLong = 60;     // messages; from here on the browser skips what is out of sight

// The chat. It follows the end while the reader is at the end, and leaves the reader alone otherwise.
export function Thread({ editing, onEdit }: { editing: string | null; onEdit: (id: string | null) => void }) {
  const store = useStore();
  const { currentId, chats } = useChatState();
  const path = store.shown();
  const chat = chats.find((c) => c.id === currentId);
  const busy = store.arriving() !== null;
  const last = path[path.length - 1]?.message;

  const view = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const [away, setAway] = useState(false);

  const toEnd = useCallback((): void => {
    const element = view.current;
    if (!element) return;
    following.current = true;
    element.scrollTop = element.scrollHeight;
    setAway(false);
  }, []);

  // A new chat on the page, or a new question in it, is looked at from its end.
  const questions = path.filter((p) => p.message.role === 'user').length;
  useLayoutEffect(toEnd, [toEnd, currentId, questions]);

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
    if (!view.current) return;
    const gone = isAway(view.current);
    following.current = !gone;
    setAway(gone);
  };

  return (
    <div className="thread">
      <div className="thread-view" ref={view} onScroll={onScroll} tabIndex={-1}>
        <div className={path.length > kLong ? "thread-content thread-long" : "thread-content"} ref={content}>
          {path.length === 0 ? <Empty /> : <h1 className="unseen">{chat?.title}</h1>}
          {path.map(({ message, siblings }, i) => (
            <div key={message.id}>
              {chat?.sendFrom === message.id && i > 0 && <p className="divider">{text.dropped}</p>}
              <Turn message={message} siblings={siblings.join(' ')} editing={editing === message.id} onEdit={onEdit} busy={busy} last={i === path.length - 1} />
            </div>
          ))}
        </div>
      </div>
      {away && <button type="button" className="latest" onClick={toEnd}>{text.latest}</button>}
      <Announcer message={last?.role === 'assistant' ? last : null} />
    </div>
  );
}

function isAway(element: HTMLElement): boolean {
  return element.scrollHeight - element.scrollTop - element.clientHeight > kNearEnd;
}
