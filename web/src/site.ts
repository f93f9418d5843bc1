// What a page has that is a site of its own (`owlet site`): the engine in the browser, models by file, and a service worker that keeps
// the page for when there is no network. None of it is in the page that a server carries.

import { LocalEngine, type Port } from './engine/local';
import type { ModelSource, Progress } from './engine/protocol';
import { text } from './text';

export const isSite = import.meta.env.MODE === 'site';
export const kLocalAddress = 'this browser';  // in the place of a server's address

// Scripts that the page starts: these two and no other, by the page's own policy.
const kScripts = ['worker.js', 'service_worker.js'];

export async function openLocalEngine(): Promise<LocalEngine> {
  const sources = (await (await fetch('models.json')).json()) as ModelSource[];
  const located = <Source extends ModelSource>(source: Source): Source => ({ ...source, url: new URL(source.url ?? source.name, document.baseURI).href });
  const engine = new LocalEngine(
    sources.map((source) => ({ ...located(source), adapters: source.adapters?.map(located) })),
    () => new Worker(scriptUrl('worker.js'), { type: 'module' }) as Port,
  );
  engine.onProgress = showProgress;
  if (sources[0]) void engine.prepare(sources[0].name.replace(/\.gguf$/, '')).catch(() => undefined);  // who asks is told what went wrong
  return engine;
}

// A GGUF file that is dropped on the page becomes one of its models.
export function takeDroppedModels(engine: LocalEngine, done: (id: string) => void): void {
  const modelIn = (event: DragEvent): File | undefined => Array.from(event.dataTransfer?.files ?? []).find((f) => /\.gguf$/i.test(f.name));
  window.addEventListener('dragover', (event) => {
    if (event.dataTransfer?.types.includes('Files')) event.preventDefault();
  });
  window.addEventListener('drop', (event) => {
    const file = modelIn(event);
    if (!file) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    window.dispatchEvent(new DragEvent('dragleave'));  // nothing is held over the page any more
    engine.shelf.add(file).then(done, (error: unknown) => say(error instanceof Error ? error.message : String(error)));
  }, { capture: true });
}

// Keeps the page for later, and asks before a newer one takes its place.
export async function installServiceWorker(): Promise<void> {
  if (!('serviceWorker' in navigator)) return;
  const registration = await navigator.serviceWorker.register(scriptUrl('service_worker.js'));
  const hadOne = navigator.serviceWorker.controller !== null;
  const offer = (): void => {
    if (hadOne && registration.waiting) say(text.newerPage, text.useIt, () => registration.waiting?.postMessage('take over'));
  };
  navigator.serviceWorker.addEventListener('controllerchange', () => {
    if (hadOne) location.reload();
  });
  registration.addEventListener('updatefound', () => registration.installing?.addEventListener('statechange', offer));
  offer();
}

function scriptUrl(name: string): string {
  if (!kScripts.includes(name)) throw new Error(`${name} is no script of this site`);
  const url = new URL(name, document.baseURI).href;
  const { trustedTypes } = window as { trustedTypes?: { createPolicy(name: string, rules: object): { createScriptURL(url: string): string } } };
  scriptUrl.policy ??= trustedTypes?.createPolicy('owlet', { createScriptURL: (wanted: string) => wanted });
  return scriptUrl.policy?.createScriptURL(url) ?? url;
}
scriptUrl.policy = undefined as { createScriptURL(url: string): string } | undefined;

function showProgress(progress: Progress | null): void {
  if (!progress || progress.loaded >= progress.total) return line().remove();
  const { name, loaded, total, perSecond } = progress;
  say(text.fetching(name, text.bytes(loaded), text.bytes(total), perSecond > 0 ? (total - loaded) / perSecond : null));
}

function say(message: string, action?: string, act?: () => void): void {
  const place = line();
  place.textContent = message;
  const button = document.createElement('button');
  button.className = 'button button-quiet';
  button.textContent = action ?? '×';
  if (!action) button.setAttribute('aria-label', text.close);
  button.onclick = () => {
    place.remove();
    act?.();
  };
  place.append(' ', button);
}

// The one line at the foot of the page that says what goes on behind it.
function line(): HTMLElement {
  const found = document.getElementById('site-line');
  if (found) return found;
  const place = document.createElement('div');
  place.id = 'site-line';
  place.className = 'site-line';
  place.setAttribute('role', 'status');
  document.body.append(place);
  return place;
}
