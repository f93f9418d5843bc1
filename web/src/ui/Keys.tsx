import { useEffect, useRef } from 'react';
import { text } from '../text';
import { IconButton } from './icons';

const kIsMac = /Mac|iPhone|iPad/.test(navigator.userAgent);

// The list of keys, in the browser's own dialog, which keeps the focus and closes on Esc.
export function Keys({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} className="keys" aria-label={text.shortcuts} onClose={onClose} onClick={(event) => event.target === dialog.current && onClose()}>
      <div className="panel-head">
        <h2>{text.shortcuts}</h2>
        <IconButton icon="cross" label={text.close} onClick={onClose} />
      </div>
      <dl>
        {text.keys.map(([keys, does]) => (
          <div key={keys}>
            <dt>{keys.split(' ').map((key) => <kbd key={key}>{key === 'Mod' ? (kIsMac ? '⌘' : 'Ctrl') : key}</kbd>)}</dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </dialog>
  );
}
