import { useId, useState } from 'react';
import { addressFrom } from '../chat/connection';
import { isSite, kLocalAddress } from '../site';
import { text } from '../text';
import { useChatState, useStore } from './hooks';

// Asks for a server, where the page's own origin is none or the one in use wants a key.
export function Connect() {
  const store = useStore();
  const { link } = useChatState();
  const { server, wantsKey, ownServer } = store.connection;
  const own = wantsKey || ownServer ? location.origin : '';
  const [address, setAddress] = useState(server.address === kLocalAddress ? '' : server.address || own);
  const [key, setKey] = useState(server.key);
  const [wrong, setWrong] = useState<string | null>(null);
  const id = useId();
  const problem = wrong ?? (link.state === 'ask' ? link.wrong : null);

  return (
    <form
      className="connect"
      aria-labelledby={`${id}title`}
      onSubmit={(event) => {
        event.preventDefault();
        const found = addressFrom(address);
        if (found === null) return setWrong(text.addressWrong);
        setWrong(null);
        void store.useServer({ address: found === own ? '' : found, key: key.trim() });
      }}
    >
      <h1 id={`${id}title`}>{wantsKey ? text.askKeyTitle : text.askTitle}</h1>
      <p>{wantsKey ? text.askKeySays : text.askSays}</p>
      <label htmlFor={`${id}address`}>{text.address}</label>
      <input id={`${id}address`} type="text" inputMode="url" autoComplete="url" spellCheck={false} value={address}
        placeholder={text.addressHint} autoFocus aria-describedby={problem ? `${id}wrong` : undefined} aria-invalid={problem !== null}
        onChange={(event) => {
          setAddress(event.target.value);
          setKey('');  // a key is for one server only
        }} />
      <label htmlFor={`${id}key`}>{text.key}</label>
      <input id={`${id}key`} type="password" autoComplete="off" value={key} placeholder={text.keyHint} onChange={(event) => setKey(event.target.value)} />
      {problem && <p className="wrong" id={`${id}wrong`} role="alert">{problem}</p>}
      <button type="submit" className="button button-main">{text.connect}</button>
      {isSite && (
        <button type="button" className="button button-quiet" onClick={() => void store.useServer({ address: kLocalAddress, key: '' })}>{text.useBrowser}</button>
      )}
    </form>
  );
}
