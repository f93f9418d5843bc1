import { useEffect, useState } from 'react';
import type { TextFile } from '../chat/types';
import { text } from '../text';
import { useStore } from './hooks';
import { Icon, IconButton } from './icons';

// The files that go with the next question, and how long each is.
export function Attached({ files, onRemove }: { files: readonly TextFile[]; onRemove: (index: number) => void }) {
  if (files.length === 0) return null;
  return (
    <ul className="attached">
      {files.map((file, i) => (
        <li key={i} className="attached-file">
          <Icon name="file" /><span className="attached-name" dir="auto">{file.name}</span><Length of={file.text} />
          <IconButton icon="cross" label={text.removeFile(file.name)} onClick={() => onRemove(i)} />
        </li>
      ))}
    </ul>
  );
}

function Length({ of }: { of: string }) {
  const { count, exact } = useTokenCount(of, 0);
  return <span className="attached-length">{text.tokens(count, exact)}</span>;
}

const kCharactersPerToken = 4;

// Guessed from the length until the engine has counted, and where it cannot. `wait`: ms of stillness before it is asked.
export function useTokenCount(of: string, wait: number): { count: number; exact: boolean } {
  const store = useStore();
  const [counted, setCounted] = useState<{ of: string; count: number } | null>(null);
  useEffect(() => {
    if (of === '') return;
    const controller = new AbortController();
    const timer = setTimeout(() => {
      void store.tokenize(of, controller.signal).then((found) => found && !controller.signal.aborted && setCounted({ of, count: found.length }));
    }, wait);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [of, wait, store]);
  if (of === '') return { count: 0, exact: true };
  return counted?.of === of ? { count: counted.count, exact: true } : { count: Math.ceil(of.length / kCharactersPerToken), exact: false };
}
