// The engine in a worker: Owlet's own code as WebAssembly, the model's file in its memory, and the server's API without a network.
// One worker holds one model; another model gets another worker, so that the memory of the first is given back.

import { megabytes, ModelStore, type Folder } from './model_store';
import type { FromWorker, ModelSource, ToWorker } from './protocol';
import { variantOf } from './variant';

// What src/apps/browser/engine_main.cc exports.
interface EngineModule {
  HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
  _free(at: number): void;
  _owlet_allocate(bytes: number): number;
  _owlet_load(bytes: number, size: number, name: number, threads: number, mostBytes: number): number;
  _owlet_add_adapter(id: number, strength: number, config: number, bytes: number, size: number): number;
  _owlet_request(id: number, method: number, path: number, body: number): void;
  _owlet_cancel(id: number): void;
  _owlet_step(): number;
}
type CreateModule = (options: object) => Promise<EngineModule>;

declare const kEngines: string[];  // the site's, by their folders; written by the build
const kMaxThreads = 8;
const kAddressable = 2 ** 32 - 2 ** 26;  // bytes of WebAssembly's memory, less what the engine itself takes

const say = (message: FromWorker, transfer: Transferable[] = []): void => self.postMessage(message, { transfer });

let engine: EngineModule | null = null;
let running = false;
let turns = Promise.resolve();  // load, fetch, keep and remove come one after the other

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.type === 'request') return request(data.id, data.method, data.path, data.body);
  if (data.type === 'cancel') return cancel(data.id);
  if (data.type === 'list') return void list();
  turns = turns.then(async () => {
    try {
      const store = await openStore();
      if (data.type === 'keep') await store.keep(data.name, data.file);
      if (data.type === 'remove') await store.remove(data.name);
      if (data.type === 'fetch') await store.fetch(data.source);
      if (data.type === 'load') await load(store, data.source);
      say({ type: 'done' });
    } catch (error) {
      say({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
    }
  });
};

// Where nothing can be kept, nothing is; what is wrong is said to whoever loads.
async function list(): Promise<void> {
  const models = await openStore().then((store) => store.list()).catch(() => []);
  say({ type: 'listed', models });
}

async function openStore(): Promise<ModelStore> {
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle('models', { create: true });
  const room = async (): Promise<number> => {
    const { quota = Infinity, usage = 0 } = await navigator.storage.estimate();
    return quota - usage;
  };
  return new ModelStore(folder as unknown as Folder, room, mostBytes(), (progress) => say({ type: 'progress', progress }));
}

async function load(store: ModelStore, source: ModelSource): Promise<void> {
  const variant = variantOf(kEngines, self.crossOriginIsolated);
  const threads = variant.startsWith('threads') ? Math.min(navigator.hardwareConcurrency, kMaxThreads) : 1;
  const { default: create } = (await import(/* @vite-ignore */ new URL(`engine/${variant}/engine.mjs`, self.location.href).href)) as { default: CreateModule };
  const module = await create({
    threads: threads - 1,
    onResponse: (id: number, status: number, contentType: string) => say({ type: 'response', id, status, contentType }),
    onBytes: (id: number, bytes: Uint8Array) => say({ type: 'bytes', id, bytes }, [bytes.buffer]),
    onEnd: (id: number) => say({ type: 'end', id }),
  });
  const file = await readFile(module, store, source);
  check(module, withText(module, source.name, (name) => module._owlet_load(file.at, file.size, name, threads, mostBytes())));
  for (const adapter of source.adapters ?? []) {
    const { at, size } = await readFile(module, store, adapter);
    check(module, withText(module, adapter.id, (id) => withText(module, JSON.stringify(adapter.config), (config) =>
      module._owlet_add_adapter(id, adapter.strength, config, at, size))));
  }
  engine = module;
}

// The file in the engine's memory.
async function readFile(module: EngineModule, store: ModelStore, source: ModelSource): Promise<{ at: number; size: number }> {
  const file = { at: 0, size: 0 };
  await store.read(source, (size) => {
    if (file.at !== 0) module._free(file.at);
    file.size = size;
    file.at = module._owlet_allocate(size);
    if (file.at === 0) throw new Error(`${source.name} takes ${megabytes(size)} of memory, and this browser has no more to give.`);
  }, (bytes, offset) => module.HEAPU8.set(bytes, file.at + offset));
  return file;
}

function check(module: EngineModule, wrong: number): void {
  if (wrong !== 0) throw new Error(textAt(module, wrong));
}

// A browser says roughly what the device has, or nothing.
function mostBytes(): number {
  const { deviceMemory } = navigator as { deviceMemory?: number };
  return Math.min(kAddressable, deviceMemory ? deviceMemory * 2 ** 30 : Infinity);
}

function request(id: number, method: string, path: string, body: string): void {
  const module = engine;
  if (!module) return say({ type: 'end', id });
  withText(module, method, (m) => withText(module, path, (p) => withText(module, body, (b) => module._owlet_request(id, m, p, b))));
  if (!running) void run(module);
}

function cancel(id: number): void {
  engine?._owlet_cancel(id);
  if (engine && !running) void run(engine);
}

// Steps as long as there is something to do; between two of them whoever wants to stop an answer is heard.
async function run(module: EngineModule): Promise<void> {
  running = true;
  while (module._owlet_step() !== 0) await heard();
  running = false;
}

const { port1, port2 } = new MessageChannel();
function heard(): Promise<void> {
  return new Promise((resolve) => {
    port1.onmessage = () => resolve();
    port2.postMessage(null);
  });
}

function withText<T>(module: EngineModule, text: string, use: (at: number) => T): T {
  const bytes = new TextEncoder().encode(text);
  const at = module._malloc(bytes.length + 1);
  module.HEAPU8.set(bytes, at);
  module.HEAPU8[at + bytes.length] = 0;
  try {
    return use(at);
  } finally {
    module._free(at);
  }
}

function textAt(module: EngineModule, at: number): string {
  const end = module.HEAPU8.indexOf(0, at);
  const text = new TextDecoder().decode(module.HEAPU8.slice(at, end));
  module._free(at);
  return text;
}
