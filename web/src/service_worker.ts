// Keeps every file of the site but its models, which the page keeps itself, and engines for other browsers, so that it opens without a
// network. `kFiles`, `kEngines` and `kVersion` are written by the build. Where the host cannot set headers, it is this worker that
// isolates the page from other origins, which is what several threads ask for.

import { variantOf } from './engine/variant';

declare const kVersion: string;
declare const kFiles: string[];
declare const kEngines: string[];

interface Extendable extends Event { waitUntil(work: Promise<unknown>): void }
interface FetchLike extends Extendable { request: Request; respondWith(response: Promise<Response>): void }
interface Scope {
  caches: CacheStorage;
  clients: { claim(): Promise<void> };
  registration: { scope: string };
  skipWaiting(): Promise<void>;
  addEventListener(type: 'install' | 'activate', listener: (event: Extendable) => void): void;
  addEventListener(type: 'fetch', listener: (event: FetchLike) => void): void;
  addEventListener(type: 'message', listener: (event: MessageEvent) => void): void;
}
const scope = self as unknown as Scope;
const kCache = `owlet-${kVersion}`;
const kEngine = `engine/${variantOf(kEngines, true)}/`;  // whose pages come from here, and so are isolated
const kKept = kFiles.filter((file) => !file.startsWith('engine/') || file.startsWith(kEngine));

scope.addEventListener('install', (event) => {
  event.waitUntil(scope.caches.open(kCache).then((cache) => cache.addAll(kKept.map((file) => new Request(file, { cache: 'no-cache' })))));
});

scope.addEventListener('activate', (event) => {
  event.waitUntil((async () => {
    for (const name of await scope.caches.keys()) if (name.startsWith('owlet-') && name !== kCache) await scope.caches.delete(name);
    await scope.clients.claim();
  })());
});

scope.addEventListener('message', (event) => {
  if (event.data === 'take over') void scope.skipWaiting();
});

scope.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || !request.url.startsWith(scope.registration.scope) || request.headers.has('range')) return;
  event.respondWith((async () => {
    const cache = await scope.caches.open(kCache);
    const found = await cache.match(request.mode === 'navigate' ? './' : request, { ignoreSearch: true });
    return found ? isolated(found) : fetch(request);
  })());
});

function isolated(response: Response): Response {
  const headers = new Headers(response.headers);
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Embedder-Policy', 'require-corp');
  return new Response(response.body, { status: response.status, headers });
}
