import { useEffect, useId, useState } from 'react';
import type { KeptModel } from '../engine/protocol';
import { text } from '../text';
import { pickFiles } from './files';
import { useChatState, useStore } from './hooks';
import { IconButton } from './icons';

// The models that were added to this browser: what they take, and ways to add and remove some. Nothing where a server answers.
export function ModelsHere() {
  const store = useStore();
  const { models } = useChatState();  // looked for anew when they change
  const { shelf } = store.connection.engine;
  const [kept, setKept] = useState<readonly KeptModel[]>([]);
  const [typed, setTyped] = useState('');
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState<string | null>(null);
  const id = useId();
  useEffect(() => void shelf?.added().then(setKept, () => undefined), [shelf, models]);
  if (!shelf) return null;

  const run = async (work: Promise<unknown>): Promise<void> => {
    setBusy(true);
    setWrong(null);
    try {
      await work;
      setTyped('');
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error));
    }
    setBusy(false);
    await store.connection.check();
  };
  const add = (from: File | string): Promise<void> => run(shelf.add(from).then((model) => store.connection.check().then(() => store.change('model', model))));

  return (
    <div className="setting">
      <div className="setting-head"><span className="setting-name" id={`${id}name`}>{text.modelsHere.title}</span></div>
      {kept.length > 0 && (
        <ul className="kept" aria-labelledby={`${id}name`}>
          {kept.map(({ name, sizeBytes }) => (
            <li key={name}><span className="kept-name">{name}</span><span className="kept-size">{text.bytes(sizeBytes)}</span>
              <IconButton icon="bin" label={text.modelsHere.remove(name)} disabled={busy} onClick={() => void run(shelf.remove(name.replace(/\.gguf$/, '')))} /></li>
          ))}
        </ul>
      )}
      <form className="add-model" onSubmit={(event) => {
        event.preventDefault();
        if (typed.trim() !== '' && !busy) void add(typed);
      }}>
        <input value={typed} aria-label={text.modelsHere.add} aria-describedby={`${id}says`} aria-invalid={wrong !== null} placeholder="org/model:Q4_0" spellCheck={false} autoComplete="off"
          inputMode="url" dir="ltr" onChange={(event) => setTyped(event.target.value)} />
        <IconButton icon="plus" label={text.modelsHere.add} disabled={busy || typed.trim() === ''} onClick={() => void add(typed)} />
        <IconButton icon="file" label={text.modelsHere.pick} disabled={busy} onClick={() => pickFiles('.gguf', false, ([file]) => file && void add(file))} />
      </form>
      {wrong && <p className="wrong" role="alert">{wrong}</p>}
      <p className="setting-says" id={`${id}says`}>{text.modelsHere.says}</p>
    </div>
  );
}
