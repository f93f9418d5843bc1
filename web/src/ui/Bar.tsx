import { useState } from 'react';
import { changedCount } from '../chat/settings';
import { text } from '../text';
import { useChatState, useStore } from './hooks';
import { IconButton, type IconName } from './icons';
import { Owl } from './Owl';
import { applyTheme, keptTheme, nextTheme, type Theme } from './theme';

// The line above the chat: which model answers, and how it is.
export function Bar(props: { sidebar: boolean; onSidebar: () => void; panel: boolean; onPanel: () => void; onNew: () => void }) {
  const store = useStore();
  const { link } = useChatState();
  const [theme, setTheme] = useState<Theme>(keptTheme);
  const model = store.model();
  const busy = store.arriving().some((m) => m.state === 'streaming');
  const ready = link.state === 'ready' && model !== undefined && model.loaded === undefined;
  const status = model?.loaded !== undefined ? text.loading(model.loaded) : busy ? text.answering : ready ? text.ready : text.status[link.state];
  const changed = changedCount(store.settings());
  const icons: Record<Theme, IconName> = { system: 'half', light: 'sun', dark: 'moon' };
  return (
    <header className="bar">
      {!props.sidebar && <IconButton icon="sidebar" label={text.showSidebar} onClick={props.onSidebar} />}
      {!props.sidebar && <IconButton icon="plus" label={text.newChat} onClick={props.onNew} />}
      <div className="status">
        <Owl eyes={!ready ? 'closed' : busy ? 'blinking' : 'open'} size={28} label={status} />
        <ModelName />
        {!ready && <span className={model?.loaded === undefined ? 'status-word' : 'status-word status-loading'}>{status}</span>}
        {model?.loaded !== undefined && <progress className="status-load" max={1} value={model.loaded} aria-label={status} />}
      </div>
      <IconButton icon={icons[theme]} label={text.theme[theme]} onClick={() => setTheme(applyTheme(nextTheme(theme)))} />
      <IconButton className={changed > 0 ? 'marked' : ''} icon="sliders" pressed={props.panel} label={changed > 0 ? text.settingsChanged(changed) : text.settings} onClick={props.onPanel} />
    </header>
  );
}

// The model's name; where there are several, a way to take another one, for the chat if it has one of its own.
function ModelName() {
  const store = useStore();
  const { models } = useChatState();
  const model = store.model();
  if (models.length < 2 || !model) return <span className="status-name">{model?.id ?? text.name}</span>;
  const scope = store.ownSettings().model === undefined ? 'all' : 'chat';
  return (
    <select className="status-name status-models" aria-label={text.model} value={model.id} onChange={(event) => store.change('model', event.target.value, scope)}>
      {models.map((m) => <option key={m.id} value={m.id}>{m.id}</option>)}
    </select>
  );
}
