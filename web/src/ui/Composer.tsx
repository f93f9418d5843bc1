import { useEffect, useRef, useState, type ClipboardEvent, type KeyboardEvent } from 'react';
import { keep, kept, keptText } from '../chat/kept';
import type { TextFile } from '../chat/types';
import { text } from '../text';
import { Attached } from './Attached';
import { Connect } from './Connect';
import { pickFiles, readTextFile } from './files';
import { Gauge } from './Gauge';
import { useChatState, useDroppedFiles, useGrowingField, useSeconds, useStore } from './hooks';
import { IconButton } from './icons';

const clock = (): number => Date.now();
const kMaxKeptFiles = 500_000;  // characters: the browser keeps about ten times as much for the whole page

// Where the person writes. The draft of each chat survives a reload and a server that is gone.
export function Composer({ onEditLast, onNotice }: { onEditLast: () => void; onNotice: (notice: string) => void }) {
  const store = useStore();
  const { link, currentId } = useChatState();
  const place = `draft.${currentId ?? 'new'}`;
  const { draft, files, write, putFiles } = useDraft(place);
  const field = useGrowingField(draft);
  const arriving = store.arriving();
  const model = store.model();
  const ready = link.state === 'ready' && model !== undefined && model.loaded === undefined;
  const empty = draft.trim() === '' && files.length === 0;

  useEffect(() => {
    if (!document.activeElement?.closest('.connect')) field.current?.focus({ preventScroll: true });
  }, [place, field]);

  const add = async (dropped: readonly File[]): Promise<void> => {
    const read = await Promise.all(dropped.map(readTextFile));
    const wrong = read.find((r) => typeof r === 'string');
    if (wrong !== undefined) onNotice(wrong);
    putFiles((now) => [...now, ...read.filter((r) => typeof r !== 'string')]);
    field.current?.focus();
  };
  const over = useDroppedFiles(add);

  const send = (): void => {
    if (!ready || arriving.length > 0 || empty) return;
    write('');
    putFiles(() => []);
    store.send(draft, files);
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
  const onPaste = (event: ClipboardEvent): void => {
    if (event.clipboardData.files.length === 0) return;
    event.preventDefault();
    void add([...event.clipboardData.files]);
  };

  return (
    <div className="composer-place">
      <GoneLine />
      {link.state === 'ask' && store.shown().length > 0 && <Connect />}
      <form
        className={over ? 'composer composer-over' : 'composer'}
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <Attached files={files} onRemove={(i) => putFiles((now) => now.filter((_, k) => k !== i))} />
        <IconButton className="composer-side" icon="clip" label={text.attach} onClick={() => pickFiles('text/*,.md,.json,.csv,.yaml,.py,.ts,.cc,.h', true, (picked) => void add(picked))} />
        <textarea ref={field} className="composer-field" value={draft} rows={1} dir="auto" placeholder={over ? text.dropHere : text.placeholder}
          aria-label={text.placeholder} onChange={(event) => write(event.target.value)} onKeyDown={onKeyDown} onPaste={onPaste} />
        {arriving.length > 0 ? (
          <IconButton className="composer-button" icon="stop" label={text.stop} onClick={() => arriving.forEach((m) => store.stop(m.id))} />
        ) : (
          <IconButton className="composer-button" icon="send" label={text.send} disabled={!ready || empty} onClick={send} />
        )}
      </form>
      <Gauge draft={draft} files={files} />
    </div>
  );
}

// What is being written in a chat, as it was left.
function useDraft(place: string) {
  const [draft, setDraft] = useState(() => keptText(place));
  const [files, setFiles] = useState(() => keptFiles(place));
  const latest = useRef(files);  // files may come while others are still being read
  useEffect(() => {
    setDraft(keptText(place));
    setFiles(latest.current = keptFiles(place));
  }, [place]);
  const write = (value: string): void => {
    setDraft(value);
    keep(place, value);
  };
  const putFiles = (change: (now: TextFile[]) => TextFile[]): void => {
    const value = change(latest.current);
    setFiles(latest.current = value);
    const small = value.reduce((sum, f) => sum + f.text.length, 0) <= kMaxKeptFiles;
    keep(`${place}.files`, small && value.length > 0 ? value : null);
  };
  return { draft, files, write, putFiles };
}

function keptFiles(place: string): TextFile[] {
  const found = kept(`${place}.files`);
  return Array.isArray(found) ? found.filter((f): f is TextFile => typeof f?.name === 'string' && typeof f?.text === 'string') : [];
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
          <span aria-hidden="true"><bdi>{link.why ?? text.gone(seconds)}</bdi> {text.goneKept}</span>
          <span className="gone-buttons">
            <button type="button" className="button button-quiet" onClick={() => void store.connection.check()}>{text.tryNow}</button>
            <button type="button" className="button button-quiet" onClick={() => store.connection.ask()}>{text.otherServer}</button>
          </span>
        </div>
      )}
    </div>
  );
}
