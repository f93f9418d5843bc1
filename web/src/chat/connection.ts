// Which server the page talks to, and whether it is there. Served by Owlet, that is the page's own origin; as a static
// site it is the address the visitor gave. When the server goes away the connection keeps knocking until it is back.

import { EngineError, type Engine, type ModelInfo } from '../engine/engine';

export type Link =
  | { state: 'connecting' }
  | { state: 'ready' }
  | { state: 'gone'; retryAt: number; why: string | null }  // when, in ms since the epoch; the server's words, if it spoke
  | { state: 'ask'; wrong: string | null };                 // no server is known, or it wants another key: ask the visitor

export interface Server {
  address: string;  // '' is the page's own origin
  key: string;
}

const kRetryMs = [1000, 2000, 4000, 8000, 15000];
const kCheckMs = 15000;  // how often a quiet, visible page looks whether its server is still there
const kLoadingMs = 500;  // and how far a model is that is being loaded

export class Connection {
  link: Link = { state: 'connecting' };
  models: ModelInfo[] = [];
  wantsKey = false;   // the page's own server answered that a key is missing
  ownServer = false;  // the page's own origin was once found to be a server
  engine: Engine;
  private tries = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private round = 0;  // a newer attempt makes the answers of older ones void

  constructor(
    public server: Server,
    private readonly engineFor: (server: Server) => Engine,
    private readonly onChange: () => void,
  ) {
    this.engine = engineFor(server);
  }

  use(server: Server): Promise<void> {
    this.server = server;
    this.engine = this.engineFor(server);
    this.tries = 0;
    this.set({ state: 'connecting' });
    return this.check();
  }

  // Looks for the server now. Never throws.
  async check(): Promise<void> {
    const round = ++this.round;
    clearTimeout(this.timer);
    try {
      const models = await this.engine.models();
      if (round !== this.round) return;
      this.models = models;
      this.ownServer ||= this.server.address === '';
      this.tries = 0;
      this.set({ state: 'ready' });
      this.timer = setTimeout(() => void this.checkIfSeen(), models.some((m) => m.loaded !== undefined) ? kLoadingMs : kCheckMs);
    } catch (error) {
      if (round === this.round) this.failed(error);
    }
  }

  // For whoever met the failure first, such as an answer that could not be asked for.
  failed(error: unknown): void {
    this.round++;
    clearTimeout(this.timer);
    const failure = error instanceof EngineError ? error : new EngineError('unreachable', String(error));
    this.wantsKey = failure.kind === 'unauthorized' && this.server.address === '';
    if (failure.kind === 'unauthorized') return this.set({ state: 'ask', wrong: this.server.key ? failure.message : null });
    // On a static site the page's own origin answers, but not as a server of ours.
    if (failure.kind === 'foreign') return this.set({ state: 'ask', wrong: this.server.address ? failure.message : null });
    const wait = kRetryMs[Math.min(this.tries, kRetryMs.length - 1)]!;
    this.tries++;
    this.set({ state: 'gone', retryAt: Date.now() + wait, why: failure.kind === 'refused' ? failure.message : null });
    this.timer = setTimeout(() => void this.check(), wait);
  }

  // So that the visitor can give another address while the page still knocks at the old one.
  ask(): void {
    this.round++;
    clearTimeout(this.timer);
    this.set({ state: 'ask', wrong: null });
  }

  private checkIfSeen(): Promise<void> {
    if (typeof document === 'undefined' || !document.hidden) return this.check();
    return new Promise((resolve) => {
      document.addEventListener('visibilitychange', () => resolve(this.check()), { once: true });
    });
  }

  private set(link: Link): void {
    this.link = link;
    this.onChange();
  }
}

// What a person may type ("localhost:8080", "https://host/v1/") as the place where /v1 lies; null where it is no address.
export function addressFrom(typed: string): string | null {
  const text = typed.trim();
  if (text === '') return null;
  const local = /^(localhost|127\.|\[::1\])/.test(text);
  try {
    const url = new URL(/^https?:\/\//i.test(text) ? text : `${local ? 'http' : 'https'}://${text}`);
    // Some browsers take "not an address" for a host with spaces in its name.
    if (url.username || url.password || /[%\s]/.test(text.split('?', 1)[0]!) || url.hostname === '') return null;
    return (url.origin + url.pathname).replace(/\/+$/, '').replace(/\/v1$/, '');
  } catch {
    return null;
  }
}
