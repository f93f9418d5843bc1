import { useCallback, useEffect, useRef, useState } from 'react';
import { keep, kept } from '../chat/kept';
import { changedCount } from '../chat/settings';
import { text } from '../text';
import { Composer } from './Composer';
import { useChatState, useIsNarrow, useStore } from './hooks';
import { IconButton, type IconName } from './icons';
import { Keys } from './Keys';
import { Owl } from './Owl';
import { SettingsPanel } from './SettingsPanel';
import { Sidebar } from './Sidebar';
import { applyTheme, keptTheme, nextTheme, type Theme } from './theme';
import { Thread } from './Thread';

export function App() {
  const store = useStore();
  const state = useChatState();
  const narrow = useIsNarrow();
  const [sidebar, setSidebar] = useState(() => !narrow && kept('sidebar') !== false);
  const [panel, setPanel] = useState(false);
  const [keys, setKeys] = useState(false);
  const [editing, setEditing] = useState<string | null>(null);
  const search = useRef<HTMLInputElement>(null);
  const { currentId } = state;

  useEffect(() => {
    if (narrow) setSidebar(false);
  }, [narrow]);
  useEffect(() => setEditing(null), [currentId]);

  const showSidebar = useCallback((show: boolean): void => {
    setSidebar(show);
    if (!narrow) keep('sidebar', show ? null : false);
    if (show && narrow) setPanel(false);
  }, [narrow]);
  const hideSidebar = useCallback(() => showSidebar(false), [showSidebar]);
  const open = useCallback((id: string | null): void => {
    location.hash = id ?? '';
    void store.open(id);
    if (narrow) setSidebar(false);
    document.querySelector<HTMLElement>('.composer-field')?.focus();
  }, [store, narrow]);
  const openKeys = useCallback(() => setKeys(true), []);
  const closePanel = useCallback(() => setPanel(false), []);

  const editLast = (): void => {
    const last = store.shown().filter((s) => s.message.role === 'user').pop();
    if (last && !store.arriving()) setEditing(last.message.id);
  };

  const escape = (): boolean => {
    const arriving = store.arriving();
    if (narrow && (sidebar || panel)) {
      setSidebar(false);
      setPanel(false);
    } else if (arriving) store.stop(arriving.id);
    else if (panel) setPanel(false);
    else return false;
    return true;
  };

  useShortcuts({
    find: () => {
      showSidebar(true);
      requestAnimationFrame(() => search.current?.focus());
    },
    fresh: () => open(null),
    sidebar: () => showSidebar(!sidebar),
    keys: openKeys,
    escape,
  });

  const covered = narrow && (sidebar || panel);
  return (
    <div className={`app ${sidebar ? 'with-sidebar' : ''} ${panel ? 'with-panel' : ''}`}>
      {sidebar && (
        <Sidebar chats={state.chats} currentId={currentId} covers={narrow} search={search} onOpen={open} onKeys={openKeys} onClose={hideSidebar} />
      )}
      <main className="main" inert={covered}>
        <Bar sidebar={sidebar} onSidebar={() => showSidebar(true)} panel={panel} onPanel={() => setPanel(!panel)} onNew={() => open(null)} />
        <Thread editing={editing} onEdit={setEditing} />
        <Composer onEditLast={editLast} />
      </main>
      {panel && <SettingsPanel settings={state.settings} models={state.models} address={store.connection.server.address} onClose={closePanel} />}
      {covered && <div className="scrim" onClick={escape} />}
      {keys && <Keys onClose={() => setKeys(false)} />}
      <Removed />
    </div>
  );
}

function Bar(props: { sidebar: boolean; onSidebar: () => void; panel: boolean; onPanel: () => void; onNew: () => void }) {
  const store = useStore();
  const { link, settings } = useChatState();
  const [theme, setTheme] = useState<Theme>(keptTheme);
  const model = store.model();
  const busy = store.arriving()?.state === 'streaming';
  const ready = link.state === 'ready' && model !== undefined;
  const status = busy ? text.answering : ready ? text.ready : text.status[link.state];
  const changed = changedCount(settings);
  const icons: Record<Theme, IconName> = { system: 'half', light: 'sun', dark: 'moon' };
  return (
    <header className="bar">
      {!props.sidebar && <IconButton icon="sidebar" label={text.showSidebar} onClick={props.onSidebar} />}
      {!props.sidebar && <IconButton icon="plus" label={text.newChat} onClick={props.onNew} />}
      <div className="status">
        <Owl eyes={!ready ? 'closed' : busy ? 'blinking' : 'open'} size={28} label={status} />
        <span className="status-name">{model?.id ?? text.name}</span>
        {!ready && <span className="status-word">{status}</span>}
      </div>
      <IconButton icon={icons[theme]} label={text.theme[theme]} onClick={() => setTheme(applyTheme(nextTheme(theme)))} />
      <IconButton className={changed > 0 ? 'marked' : ''} icon="sliders" pressed={props.panel} label={changed > 0 ? text.settingsChanged(changed) : text.settings} onClick={props.onPanel} />
    </header>
  );
}

function Removed() {
  const store = useStore();
  const { removed } = useChatState();
  useEffect(() => {
    if (!removed) return;
    const timer = setTimeout(() => store.forgetRemoved(), 8000);
    return () => clearTimeout(timer);
  }, [removed, store]);
  return (
    <div className="toast-place" role="status">
      {removed && (
        <div className="toast">
          <span className="toast-text">{text.removed(removed.title)}</span>
          <button type="button" className="button button-quiet" onClick={() => store.restore()}>{text.undo}</button>
        </div>
      )}
    </div>
  );
}

interface Shortcuts {
  find: () => void;
  fresh: () => void;
  sidebar: () => void;
  keys: () => void;
  escape: () => boolean;  // whether there was something to end or close
}

function useShortcuts(shortcuts: Shortcuts): void {
  const latest = useRef(shortcuts);
  latest.current = shortcuts;
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const action = shortcutFor(event);
      if (!action || (event.defaultPrevented && action === 'escape')) return;
      if (latest.current[action]() !== false) event.preventDefault();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);
}

function shortcutFor(event: KeyboardEvent): keyof Shortcuts | null {
  const key = event.key.toLowerCase();
  if ((event.ctrlKey || event.metaKey) && !event.altKey) {
    if (event.shiftKey) return key === 'o' ? 'fresh' : null;
    return key === 'k' ? 'find' : key === 'b' ? 'sidebar' : null;
  }
  if (document.querySelector('dialog[open]')) return null;
  if (key === 'escape') return 'escape';
  const typing = event.target instanceof HTMLElement && event.target.closest('input, textarea, select');
  return key === '?' && !typing ? 'keys' : null;
}
