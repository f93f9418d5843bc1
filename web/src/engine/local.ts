// The engine inside this browser. It speaks the server's API to a worker instead of a network, so that everything above and below is the same.

import { EngineError, type ChatEvent, type ChatRequest, type Engine, type ModelInfo, type Piece, type Shelf } from './engine';
import { HttpEngine } from './http';
import { fileName, findModel } from './hub';
import type { FromWorker, KeptModel, ModelSource, Progress, Reply, ToWorker } from './protocol';

// A Worker, as far as this needs one.
export interface Port {
  postMessage(message: ToWorker): void;
  onmessage: ((event: MessageEvent<FromWorker>) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
  terminate(): void;
}

interface Pending {
  respond(response: Response): void;
  fail(): void;
  stream: ReadableStreamDefaultController<Uint8Array> | null;
}

export class LocalEngine implements Engine {
  onProgress: (progress: Progress | null) => void = () => undefined;
  onLoaded: () => void = () => undefined;  // models() knows more of one now
  private readonly api = new HttpEngine('', '', (path, init) => this.reach(path, init));
  private readonly pending = new Map<number, Pending>();
  private readonly replies: ((reply: Reply) => void)[] = [];
  private readonly lists: ((models: KeptModel[] | null) => void)[] = [];  // null: its worker ended
  private port: Port | null = null;
  private wanted: string | null = null;         // the model that the worker holds or is getting
  private ready: Promise<unknown> = Promise.resolve();
  private readonly facts = new Map<string, Partial<ModelInfo>>();  // what a file says of itself once it is loaded
  private lastId = 0;

  // `sources`: models that the site brings along.
  constructor(
    private readonly sources: readonly ModelSource[],
    private readonly start: () => Port,
  ) {}

  async models(): Promise<ModelInfo[]> {
    return [...this.sources, ...await this.shelf.added()].flatMap(({ name, sizeBytes, adapters = [] }: ModelSource) =>
      [{ id: idOf(name) }, ...adapters].map(({ id }) => ({ ...this.facts.get(idOf(name)), id, sizeBytes })));
  }

  async *chat(request: ChatRequest, signal: AbortSignal): AsyncIterable<ChatEvent> {
    await this.prepare(request.model);
    if (!signal.aborted) yield* this.api.chat(request, signal);
  }

  async tokenize(text: string, model: string, signal?: AbortSignal): Promise<Piece[] | null> {
    await this.prepare(model);
    return this.api.tokenize(text, model, signal);
  }

  // Gets the model, or the adapter's model, ready to answer: from the disk, else from the site. Throws EngineError.
  async prepare(named: string): Promise<void> {
    const parent = this.sources.find(({ adapters }) => adapters?.some(({ id }) => id === named));
    const id = parent ? idOf(parent.name) : named;
    if (id !== this.wanted) {
      if (this.wanted !== null) this.stop();
      this.wanted = id;
      const name = `${id}.gguf`;
      const source = this.sources.find((s) => s.name === name) ?? { name };
      this.ready = this.tell({ type: 'load', source }).then(() => void this.learn(id)).finally(() => this.onProgress(null));
    }
    const ready = this.ready;
    try {
      await ready;
    } catch (error) {
      if (this.ready === ready) this.wanted = null;
      throw error;
    }
  }

  readonly shelf: Shelf = {
    added: async () => (await this.list()).filter(({ name }) => !this.sources.some((s) => s.name === name)),
    // Fetched or copied while answers go on; loaded when it is first asked.
    add: async (from) => {
      const message: ToWorker = typeof from === 'string' ? { type: 'fetch', source: await findModel(from) } : { type: 'keep', name: fileName(from.name), file: from };
      await this.tell(message).finally(() => this.onProgress(null));
      const id = idOf(message.type === 'fetch' ? message.source.name : message.name);
      if (this.wanted === id) this.stop();  // another file has its name now
      return id;
    },
    remove: async (id) => {
      if (this.wanted === id) this.stop();
      await this.tell({ type: 'remove', name: `${id}.gguf` });
    },
  };

  private async learn(id: string): Promise<void> {
    const [model] = await this.api.models().catch(() => []);
    if (!model || id !== this.wanted) return;
    this.facts.set(id, { nParams: model.nParams, contextLength: model.contextLength });
    this.onLoaded();
  }

  // Ends the worker with all it does and holds.
  private stop(why = 'Another model was asked for.'): void {
    this.port?.terminate();
    this.port = null;
    this.wanted = null;
    for (const { stream, fail } of this.pending.values()) {
      fail();
      stream?.error(new Error('the model was changed'));
    }
    this.pending.clear();
    for (const reply of this.replies.splice(0)) reply({ type: 'failed', message: why });
    for (const listed of this.lists.splice(0)) listed(null);
  }

  private worker(): Port {
    if (this.port) return this.port;
    const port = this.start();
    port.onmessage = ({ data }) => this.hear(data);
    port.onerror = (event) => {
      for (const listed of this.lists.splice(0)) listed([]);  // another worker would not start either
      this.stop(event.message || 'The engine could not be started.');
    };
    return (this.port = port);
  }

  private tell(message: ToWorker): Promise<void> {
    return new Promise((resolve, reject) => {
      this.worker().postMessage(message);
      this.replies.push((reply) => (reply.type === 'done' ? resolve() : reject(new EngineError('refused', reply.message))));
    });
  }

  // Does not wait for a model that is being loaded, so that the page stands before it; asks the next worker where one ends.
  private async list(): Promise<KeptModel[]> {
    const models = await new Promise<KeptModel[] | null>((resolve) => {
      this.worker().postMessage({ type: 'list' });
      this.lists.push(resolve);
    });
    return models ?? this.list();
  }

  private hear(message: FromWorker): void {
    if (message.type === 'progress') return this.onProgress(message.progress);
    if (message.type === 'listed') return this.lists.shift()?.(message.models);
    if (message.type === 'done' || message.type === 'failed') return this.replies.shift()?.(message);
    const pending = this.pending.get(message.id);
    if (!pending) return;
    if (message.type === 'bytes') return pending.stream?.enqueue(message.bytes);
    if (message.type === 'end') {
      this.pending.delete(message.id);
      pending.fail();
      return pending.stream?.close();
    }
    const cancel = (): void => this.cancel(message.id);
    const body = new ReadableStream<Uint8Array>({ start: (controller) => void (pending.stream = controller), cancel });
    pending.respond(new Response(body, { status: message.status, headers: { 'Content-Type': message.contentType } }));
  }

  private cancel(id: number): void {
    if (this.pending.delete(id)) this.port?.postMessage({ type: 'cancel', id });
  }

  private reach(path: string, init: RequestInit): Promise<Response> {
    const id = ++this.lastId;
    return new Promise((respond, reject) => {
      const pending: Pending = { respond, fail: () => reject(new Error('The engine has no model.')), stream: null };
      this.pending.set(id, pending);
      init.signal?.addEventListener('abort', () => {
        pending.stream?.error(new DOMException('stopped', 'AbortError'));
        pending.fail();
        this.cancel(id);
      });
      this.worker().postMessage({ type: 'request', id, method: init.method ?? 'GET', path, body: typeof init.body === 'string' ? init.body : '' });
    });
  }
}

function idOf(name: string): string {
  return name.replace(/\.gguf$/, '');
}
