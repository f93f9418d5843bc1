// @vitest-environment node
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ModelStore, type Folder } from './model_store';
import type { ModelSource, Progress } from './protocol';

// A folder of OPFS, in memory. `full`: bytes that it takes in all.
class TestFolder implements Folder {
  readonly files = new Map<string, Uint8Array>();
  full = Infinity;

  async getFileHandle(name: string, options?: { create?: boolean }) {
    if (!this.files.has(name) && !options?.create) throw new DOMException('nothing there', 'NotFoundError');
    if (!this.files.has(name)) this.files.set(name, new Uint8Array());
    const files = this.files;
    const folder = this;
    const content = (): Uint8Array => files.get(name)!;
    return {
      name,
      getFile: async () => ({ size: content().length, text: async () => new TextDecoder().decode(content()) }) as File,
      move: async (to: string) => {
        files.set(to, content());
        files.delete(name);
      },
      createSyncAccessHandle: async () => ({
        getSize: () => content().length,
        read(into: Uint8Array, { at }: { at: number }) {
          const part = content().subarray(at, at + into.length);
          into.set(part);
          return part.length;
        },
        write(bytes: Uint8Array, { at }: { at: number }) {
          if (at + bytes.length > folder.full) throw new DOMException('full', 'QuotaExceededError');
          const grown = new Uint8Array(Math.max(content().length, at + bytes.length));
          grown.set(content());
          grown.set(bytes, at);
          files.set(name, grown);
          return bytes.length;
        },
        truncate: (size: number) => void files.set(name, content().slice(0, size)),
        flush: () => undefined,
        close: () => undefined,
      }),
    };
  }
  async removeEntry(name: string): Promise<void> {
    if (!this.files.delete(name)) throw new DOMException('nothing there', 'NotFoundError');
  }
  async *values() {
    for (const name of this.files.keys()) yield { kind: 'file', name };
  }
}

const model = Uint8Array.from({ length: 10_000 }, (_, i) => (i * 17) & 255);
const sha256 = createHash('sha256').update(model).digest('hex');
const source: ModelSource = { name: 'm.gguf', url: 'https://site/m.gguf', sha256 };

let folder: TestFolder;
let asked: (string | null)[];
let told: Progress[];
let room: number;
let memory: number;
const store = (): ModelStore => new ModelStore(folder, async () => room, memory, (progress) => told.push(progress));

// A server that knows ranges, unless told otherwise, and breaks off after so many bytes of its first answers.
function serve(content: Uint8Array, { ranges = true, breakAfter = [] as number[] } = {}): void {
  vi.stubGlobal('fetch', vi.fn(async (_url: string, init: RequestInit) => {
    const range = new Headers(init.headers).get('range');
    asked.push(range);
    const from = ranges && range ? Number(/bytes=(\d+)-/.exec(range)![1]) : 0;
    if (from > 0 && from >= content.length) return new Response(null, { status: 416 });
    const rest = content.slice(from);
    const cut = breakAfter.shift() ?? Infinity;
    let pulls = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (pulls++ === 0) return controller.enqueue(rest.slice(0, Math.min(cut, 3000)));
        if (cut < rest.length) return controller.error(new Error('connection lost'));
        if (rest.length > 3000) controller.enqueue(rest.slice(3000));
        controller.close();
      },
    }, { highWaterMark: 0 });
    return new Response(body, { status: from > 0 ? 206 : 200, headers: { 'content-length': String(rest.length) } });
  }));
}

async function read(from: ModelSource = source): Promise<Uint8Array> {
  let bytes = new Uint8Array();
  await store().read(from, (size) => (bytes = new Uint8Array(size)), (piece, at) => bytes.set(piece, at));
  return bytes;
}

beforeEach(() => {
  folder = new TestFolder();
  asked = [];
  told = [];
  room = Infinity;
  memory = Infinity;
});
afterEach(() => vi.unstubAllGlobals());

describe('ModelStore.read', () => {
  it('fetches once, and from then on reads what is kept', async () => {
    serve(model);
    expect(await read()).toEqual(model);
    expect(await read()).toEqual(model);
    expect(asked).toEqual([null]);
    expect(await store().list()).toEqual([{ name: 'm.gguf', sizeBytes: model.length }]);
    expect(told.at(-1)).toMatchObject({ name: 'm.gguf', loaded: model.length, total: model.length });
  });

  it('goes on where a download broke off', async () => {
    serve(model, { breakAfter: [2500, 2000] });
    expect(await read()).toEqual(model);
    expect(asked).toEqual([null, 'bytes=2500-', 'bytes=4500-']);
  });

  it('keeps what came where the connection is gone, and goes on another time', async () => {
    serve(model, { breakAfter: [2500, 0] });
    await expect(read()).rejects.toThrow(/connection broke/);
    expect(await store().list()).toEqual([]);
    expect(await read()).toEqual(model);
    expect(asked).toEqual([null, 'bytes=2500-', 'bytes=2500-']);
  });

  it('begins again where the server knows no ranges, or the file has changed', async () => {
    serve(model, { breakAfter: [2500], ranges: false });
    expect(await read()).toEqual(model);
    folder = new TestFolder();
    folder.files.set('m.gguf.part', new Uint8Array(20_000));
    serve(model);
    expect(await read()).toEqual(model);
    expect(asked.slice(-2)).toEqual(['bytes=20000-', null]);
  });

  it('refuses what arrives with another checksum, and keeps nothing of it', async () => {
    serve(model.map((byte, i) => (i === 5000 ? byte ^ 1 : byte)));
    await expect(read()).rejects.toThrow(/arrived damaged/);
    expect([...folder.files.keys()]).toEqual([]);
  });

  it('finds a kept file that was damaged, and fetches it again', async () => {
    serve(model);
    await read();
    folder.files.get('m.gguf')![77]! ^= 1;
    expect(await read()).toEqual(model);
    expect(asked).toEqual([null, null]);
  });

  it('says so when a file that was picked is damaged: there is nowhere to fetch it from', async () => {
    await store().keep('own.gguf', new Blob([model]));
    expect(await read({ name: 'own.gguf' })).toEqual(model);
    folder.files.get('own.gguf')![3]! ^= 1;
    await expect(read({ name: 'own.gguf' })).rejects.toThrow(/Add it again/);
  });

  it('asks for room before, with both numbers', async () => {
    serve(model);
    room = 5000;
    await expect(read()).rejects.toThrow('m.gguf needs 1 MB on the disk, and this browser lets the site keep 1 MB more.');
    await expect(store().keep('big.gguf', new Blob([model]))).rejects.toThrow(/needs/);
  });

  it('refuses what would not fit into memory before it comes', async () => {
    serve(model);
    memory = 9_000;
    await expect(read()).rejects.toThrow('m.gguf takes 1 MB of memory, and this browser gives 1 MB at most.');
    await expect(store().keep('big.gguf', new Blob([model]))).rejects.toThrow(/takes/);
    expect(folder.files.get('m.gguf.part')?.length).toBe(0);
  });

  it('fetches once, and again where another file has the name', async () => {
    serve(model);
    await store().fetch(source);
    await store().fetch(source);
    expect(asked).toEqual([null]);
    const other = model.slice(1);
    serve(other);
    await store().fetch({ ...source, sha256: createHash('sha256').update(other).digest('hex') });
    expect(folder.files.get('m.gguf')).toEqual(other);
  });

  it('says that the disk is full', async () => {
    serve(model);
    folder.full = 4000;
    await expect(read()).rejects.toThrow(/disk is full/);
  });

  it('removes a model with all that belongs to it', async () => {
    serve(model);
    await read();
    await store().remove('m.gguf');
    expect([...folder.files.keys()]).toEqual([]);
  });
});
