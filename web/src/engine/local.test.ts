// @vitest-environment node
import { beforeEach, describe, expect, it } from 'vitest';
import { EngineError, type ChatEvent } from './engine';
import { LocalEngine, type Port } from './local';
import type { FromWorker, ModelSource, ToWorker } from './protocol';

// A worker that is played by the test.
class TestPort implements Port {
  onmessage: ((event: MessageEvent<FromWorker>) => void) | null = null;
  onerror: ((event: ErrorEvent) => void) | null = null;
  readonly heard: ToWorker[] = [];
  ended = false;
  constructor(private readonly play: (message: ToWorker, say: (message: FromWorker) => void) => void) {}
  postMessage(message: ToWorker): void {
    this.heard.push(message);
    queueMicrotask(() => this.play(message, (answer) => this.onmessage?.({ data: answer } as MessageEvent<FromWorker>)));
  }
  terminate(): void {
    this.ended = true;
  }
}

const event = (delta: object, reason: string | null = null): Uint8Array =>
  new TextEncoder().encode(`data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: reason }] })}\n\n`);

let ports: TestPort[];
let wrong: string | null;
let finishes: boolean;
let loads: boolean;

const kOwl: ModelSource = { name: 'owl.gguf', url: 'https://site/owl.gguf', sizeBytes: 7 };

function engine(owl = kOwl): LocalEngine {
  return new LocalEngine([owl], () => {
    const port = new TestPort((message, say) => {
      if (message.type === 'cancel') return;
      if (message.type === 'list') return say({ type: 'listed', models: [{ name: 'added.gguf', sizeBytes: 9 }] });
      if (message.type === 'load' && !loads) return;
      if (message.type !== 'request') return say(wrong ? { type: 'failed', message: wrong } : { type: 'done' });
      if (message.path === '/v1/models') {
        say({ type: 'response', id: message.id, status: 200, contentType: 'application/json' });
        say({ type: 'bytes', id: message.id, bytes: new TextEncoder().encode('{"data": [{"id": "model", "meta": {"context_length": 1024}}]}') });
        return say({ type: 'end', id: message.id });
      }
      say({ type: 'response', id: message.id, status: 200, contentType: 'text/event-stream' });
      say({ type: 'bytes', id: message.id, bytes: event({ content: 'Li' }) });
      if (!finishes) return;
      say({ type: 'bytes', id: message.id, bytes: event({ content: 'ma' }, 'stop') });
      say({ type: 'end', id: message.id });
    });
    ports.push(port);
    return port;
  });
}

async function chat(local: LocalEngine, model: string, stopAfter = Infinity): Promise<ChatEvent[]> {
  const events: ChatEvent[] = [];
  const stop = new AbortController();
  for await (const found of local.chat({ model, messages: [] }, stop.signal)) {
    events.push(found);
    if (events.length >= stopAfter) stop.abort();
  }
  return events;
}

beforeEach(() => {
  ports = [];
  wrong = null;
  finishes = true;
  loads = true;
});

describe('LocalEngine', () => {
  it('lists the models of the site before those that were added', async () => {
    expect(await engine().models()).toEqual([{ id: 'owl', sizeBytes: 7 }, { id: 'added', sizeBytes: 9 }]);
  });

  it('knows of a model that was loaded what its file says', async () => {
    const local = engine();
    await new Promise<void>((resolve) => {
      local.onLoaded = resolve;
      void local.prepare('owl');
    });
    expect((await local.models())[0]).toEqual({ id: 'owl', sizeBytes: 7, contextLength: 1024 });
  });

  it('lists adapters behind their model, and loads them with it', async () => {
    const pirate = { id: 'pirate', name: 'owl.pirate.safetensors', config: { r: 8 }, strength: 1 };
    const local = engine({ ...kOwl, adapters: [pirate] });
    expect((await local.models()).map(({ id, sizeBytes }) => [id, sizeBytes])).toEqual([['owl', 7], ['pirate', 7], ['added', 9]]);
    await chat(local, 'pirate');
    await chat(local, 'owl');
    expect(ports.map((p) => p.ended)).toEqual([false]);
    const [load, first] = ports[0]!.heard.filter((m) => m.type === 'load' || (m.type === 'request' && m.body !== ''));
    expect(load).toEqual({ type: 'load', source: { ...kOwl, adapters: [pirate] } });
    expect(JSON.parse((first as { body: string }).body)).toMatchObject({ model: 'pirate' });
  });

  it('lists models while one is being loaded', async () => {
    loads = false;
    const local = engine();
    void local.prepare('owl');
    expect((await local.models()).length).toBe(2);
  });

  it('streams an answer as a server does', async () => {
    expect(await chat(engine(), 'owl')).toEqual([{ type: 'text', text: 'Li' }, { type: 'text', text: 'ma' }, { type: 'end', reason: 'stop' }]);
    expect(ports[0]!.heard.map((m) => (m.type === 'request' ? m.path : m.type))).toEqual(['load', '/v1/models', '/v1/chat/completions']);
  });

  it('loads a model once, and gives another one another worker', async () => {
    const local = engine();
    await chat(local, 'owl');
    await chat(local, 'owl');
    expect(ports.length).toBe(1);
    await chat(local, 'added');
    expect(ports.map((p) => p.ended)).toEqual([true, false]);
    expect(ports[0]!.heard.filter((m) => m.type === 'load').length).toBe(1);
  });

  it('tells the worker when nobody reads the answer any more', async () => {
    finishes = false;
    expect(await chat(engine(), 'owl', 1)).toEqual([{ type: 'text', text: 'Li' }]);
    expect(ports[0]!.heard.at(-1)).toEqual({ type: 'cancel', id: 2 });
  });

  it('says what is wrong with a model, and tries again when it is asked again', async () => {
    const local = engine();
    wrong = 'it does not fit';
    const failure = await chat(local, 'owl').then(() => null, (e: unknown) => e);
    expect(failure).toBeInstanceOf(EngineError);
    expect((failure as EngineError).message).toBe('it does not fit');
    wrong = null;
    expect((await chat(local, 'owl')).length).toBe(3);
  });

  it('fetches a model beside the answers that go on, and forgets one that is removed', async () => {
    const local = engine();
    await local.prepare('owl');
    expect(await local.shelf.add('https://host/new.gguf')).toBe('new');
    expect(await local.shelf.added()).toEqual([{ name: 'added.gguf', sizeBytes: 9 }]);
    await local.shelf.remove('added');
    expect(ports).toHaveLength(1);
    expect(ports[0]!.heard.map((m) => m.type).filter((type) => type !== 'request')).toEqual(['load', 'fetch', 'list', 'remove']);
    await local.shelf.remove('owl');
    expect(ports[0]!.ended).toBe(true);
  });

  it('takes only files that are GGUF by their name', async () => {
    await expect(engine().shelf.add(new File([], 'model.bin'))).rejects.toThrow(/not a GGUF file/);
    expect(await engine().shelf.add(new File([], 'Some Model (1).GGUF'))).toBe('Some_Model_1_');
  });
});
