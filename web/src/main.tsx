import { createRoot } from 'react-dom/client';
import { openArchive } from './chat/archive';
import type { Server } from './chat/connection';
import { kept } from './chat/kept';
import { Store } from './chat/store';
import { HttpEngine } from './engine/http';
import './styles/tokens.css';
import './styles/page.css';
import { App } from './ui/App';
import { StoreContext } from './ui/hooks';
import { applyTheme, keptTheme } from './ui/theme';

applyTheme(keptTheme());

const store = new Store({
  archive: await openArchive(),
  server: keptServer(),
  engineFor: ({ address, key }) => new HttpEngine(address, key),
});
// The address names the chat on the page, so that reload, back and bookmarks do what they should.
const chatInAddress = (): string | null => location.hash.slice(1) || null;
store.subscribe(() => {
  const { currentId } = store.snapshot();
  if (currentId !== null && currentId !== chatInAddress()) history.pushState(null, '', `#${currentId}`);
});
window.addEventListener('hashchange', () => void store.open(chatInAddress()));
window.addEventListener('online', () => void store.connection.check());
window.addEventListener('pagehide', () => store.forgetRemoved());

await store.start(chatInAddress());
createRoot(document.getElementById('root')!).render(<StoreContext value={store}><App /></StoreContext>);

function keptServer(): Server {
  const server = kept('server') as Partial<Server> | null;
  return { address: typeof server?.address === 'string' ? server.address : '', key: typeof server?.key === 'string' ? server.key : '' };
}
