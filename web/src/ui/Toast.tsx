import { useEffect } from 'react';
import { text } from '../text';
import { useChatState, useStore } from './hooks';

const kShownMs = 8000;

// What just happened, for a moment: a chat was deleted and can come back, or `notice`.
export function Toast({ notice, onDone }: { notice: string | null; onDone: () => void }) {
  const store = useStore();
  const { removed } = useChatState();
  useEffect(() => {
    if (!removed) return;
    const timer = setTimeout(() => store.forgetRemoved(), kShownMs);
    return () => clearTimeout(timer);
  }, [removed, store]);
  useEffect(() => {
    if (notice === null) return;
    const timer = setTimeout(onDone, kShownMs);
    return () => clearTimeout(timer);
  }, [notice, onDone]);
  return (
    <div className="toast-place" role="status">
      {notice !== null && <div className="toast"><span>{notice}</span></div>}
      {removed && (
        <div className="toast">
          <span className="toast-text">{text.removed(removed.title)}</span>
          <button type="button" className="button button-quiet" onClick={() => store.restore()}>{text.undo}</button>
        </div>
      )}
    </div>
  );
}
