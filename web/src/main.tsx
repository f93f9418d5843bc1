import { startTransition } from 'react';
import { createRoot } from 'react-dom/client';
import { apart } from './apart';
import { openArchive } from './chat/archive';
import type { Server } from './chat/connection';
import { kept } from './chat/kept';
import { Store } from './chat/store';
import { openTabs } from './chat/tabs';
import { HttpEngine } from './engine/http';
import { installServiceWorker, isSite, kLocalAddress, openLocalEngine, takeDroppedModels } from './site';
import './styles/tokens.css';
import './styles/page.css';
import './styles/details.css';
import { App } from './ui/App';
import { StoreContext } from './ui/hooks';
import { keepLanguage, language, speak, text, wantedLanguage, type Language } from './text';
import { applyTheme, keptTheme } from './ui/theme';

applyTheme(keptTheme());
const opening = isSite ? openLocalEngine() : null;  // loads its model while the page is made
await speak(wantedLanguage()).catch(() => undefined);  // English, if need be
void apart().then(() => text.bytes(0));  // a browser takes its time to learn how numbers are written: not in a task that draws

const local = await opening;
const store = new Store({
  archive: await openArchive(),
  tabs: openTabs(),
  server: keptServer(),
  engineFor: ({ address, key }) => (local && address === kLocalAddress ? local : new HttpEngine(address, key)),
});
if (local) local.onLoaded = () => void store.connection.check();  // from now on: its model may be there before the page is
// The address names the chat on the page, so that reload, back and bookmarks do what they should.
const chatInAddress = (): string | null => location.hash.slice(1) || null;
store.subscribe(() => {
  const { currentId } = store.snapshot();
  if (currentId !== null && currentId !== chatInAddress()) history.pushState(null, '', `#${currentId}`);
});
window.addEventListener('hashchange', () => void store.open(chatInAddress()));
window.addEventListener('online', () => void store.connection.check());
window.addEventListener('pagehide', () => store.leave());

await store.start(chatInAddress());
if (local) {
  takeDroppedModels(local, (id) => void store.connection.check().then(() => store.change('model', id)));
  void installServiceWorker();
}
const root = createRoot(document.getElementById('root')!);
draw();

// Every view is made anew in another language; as a transition, which leaves the page time to answer in between.
function draw(): void {
  startTransition(() => root.render(<StoreContext value={store}><App key={language} onLanguage={(wanted) => void change(wanted)} /></StoreContext>));
}

async function change(wanted: Language): Promise<void> {
  keepLanguage(wanted);
  await speak(wanted);
  draw();
}

function keptServer(): Server {
  const server = kept('server') as Partial<Server> | null;
  return { address: typeof server?.address === 'string' ? server.address : isSite ? kLocalAddress : '', key: typeof server?.key === 'string' ? server.key : '' };
}
