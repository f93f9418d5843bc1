import { useCallback, useEffect, useRef, useState } from 'react';
import { keep, kept } from '../chat/kept';
import type { Language } from '../text';
import { Bar } from './Bar';
import { Composer } from './Composer';
import { importChats } from './files';
import { useChatState, useIsNarrow, useStore } from './hooks';
import { Keys } from './Keys';
import { Runs } from './Runs';
import { SettingsPanel } from './SettingsPanel';
import { useShortcuts } from './shortcuts';
import { Sidebar } from './Sidebar';
import { Thread } from './Thread';
import { Toast } from './Toast';

export function App({ onLanguage }: { onLanguage: (language: Language) => void }) {
  const store = useStore();
  const state = useChatState();
  const narrow = useIsNarrow();
  const [sidebar, setSidebar] = useState(() => !narrow && kept('sidebar') !== false);
  const [panel, setPanel] = useState(false);
  const [keys, setKeys] = useState(false);
  const [runs, setRuns] = useState(false);
  const [editing, setEditing] = useState<string | null>(null);
  const [notice, setNotice] = useState<string | null>(null);
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
  const openRuns = useCallback(() => setRuns(true), []);
  const closePanel = useCallback(() => setPanel(false), []);
  const closeNotice = useCallback(() => setNotice(null), []);
  const read = useCallback((file: File) => void importChats(store, file).then(setNotice), [store]);

  const editLast = (): void => {
    const last = store.shown().filter((s) => s.message.role === 'user').pop();
    if (last && store.arriving().length === 0) setEditing(last.message.id);
  };

  const escape = (): boolean => {
    const arriving = store.arriving();
    if (narrow && (sidebar || panel)) {
      setSidebar(false);
      setPanel(false);
    } else if (arriving.length > 0) arriving.forEach((m) => store.stop(m.id));
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
    panel: () => setPanel(!panel),
    keys: openKeys,
    escape,
  });

  const covered = narrow && (sidebar || panel);
  return (
    <div className={`app ${sidebar ? 'with-sidebar' : ''} ${panel ? 'with-panel' : ''}`}>
      {sidebar && (
        <Sidebar chats={state.chats} busy={store.busyChats()} currentId={currentId} covers={narrow} search={search}
          onOpen={open} onKeys={openKeys} onRuns={openRuns} onClose={hideSidebar} onRead={read} onNotice={setNotice} />
      )}
      <main className="main" inert={covered}>
        <Bar sidebar={sidebar} onSidebar={() => showSidebar(true)} panel={panel} onPanel={() => setPanel(!panel)} onNew={() => open(null)} />
        <Thread editing={editing} onEdit={setEditing} />
        <Composer onEditLast={editLast} onNotice={setNotice} />
      </main>
      {panel && <SettingsPanel onClose={closePanel} onLanguage={onLanguage} />}
      {covered && <div className="scrim" onClick={escape} />}
      {runs && <Runs onClose={() => setRuns(false)} />}
      {keys && <Keys onClose={() => setKeys(false)} />}
      <Toast notice={notice} onDone={closeNotice} />
    </div>
  );
}
