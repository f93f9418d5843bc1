import { useEffect, useState, type KeyboardEvent } from 'react';
import { keep, keptText } from '../chat/kept';
import { text } from '../text';
import { Connect } from './Connect';
import { useChatState, useGrowingField, useSeconds, useStore } from './hooks';
import { IconButton } from './icons';

const clock = (): number => Date.now();

// Where the person writes. The draft of each chat survives a reload and a server that is gone.
export function Composer({ onEditLast }: { onEditLast: () => void }) {
  const store = useStore();
  const { link, currentId } = useChatState();
  const place = `draft.${currentId ?? 'new'}`;
  const [draft, setDraft] = useState(() => keptText(place));
  const field = useGrowingField(draft);
  const arriving = store.arriving();
  const ready = link.state === 'ready' && store.model() !== undefined;

  useEffect(() => {
    setDraft(keptText(place));
    if (!document.activeElement?.closest('.connect')) field.current?.focus({ preventScroll: true });
  }, [place, field]);

  const write = (value: string): void => {
    setDraft(value);
    keep(place, value);
  };
  const send = (): void => {
    if (!ready || arriving || draft.trim() === '') return;
    write('');
    store.send(draft);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.nativeEvent.isComposing) return;  // Enter picks a word in some languages' input methods
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      send();
    } else if (event.key === 'ArrowUp' && draft === '') {
      event.preventDefault();
      onEditLast();
    }
  };

  return (
    <div className="composer-place">
      <GoneLine />
      {link.state === 'ask' && store.shown().length > 0 && <Connect />}
      <form
        className="composer"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <textarea ref={field} className="composer-field" value={draft} rows={1} dir="auto" placeholder={text.placeholder}
          aria-label={text.placeholder} onChange={(event) => write(event.target.value)} onKeyDown={onKeyDown} />
        {arriving ? (
          <IconButton className="composer-button" icon="stop" label={text.stop} onClick={() => store.stop(arriving.id)} />
        ) : (
          <IconButton className="composer-button" icon="send" label={text.send} disabled={!ready || draft.trim() === ''} onClick={send} />
        )}
      </form>
    </div>
  );
}

function GoneLine() {
  const store = useStore();
  const { link } = useChatState();
  const gone = link.state === 'gone';
  const now = useSeconds(gone, clock);
  const seconds = gone ? Math.max(0, Math.ceil((link.retryAt - now) / 1000)) : 0;
  return (
    <div className="gone-place" role="status">
      {gone && (
        <div className="gone">
          {/* The countdown is for the eye; a screen reader hears once that the server is gone. */}
          <span className="unseen">{text.gone(0)} {text.goneKept}</span>
          <span aria-hidden="true">{link.why ?? text.gone(seconds)} {text.goneKept}</span>
          <span className="gone-buttons">
            <button type="button" className="button button-quiet" onClick={() => void store.connection.check()}>{text.tryNow}</button>
            <button type="button" className="button button-quiet" onClick={() => store.connection.ask()}>{text.otherServer}</button>
          </span>
        </div>
      )}
    </div>
  );
}
