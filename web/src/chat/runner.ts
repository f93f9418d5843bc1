// Asks the engine and follows its answers to their ends. Any number of them may arrive at once, in one chat or in many.

import { EngineError, type ChatRequest, type Engine } from '../engine/engine';
import { Answer } from './answer';
import type { Message, Stats } from './types';

// What an answer is read from and written to while it arrives.
export interface Desk {
  engine(): Engine;
  message(id: string): Message | undefined;
  put(message: Message, save: boolean): void;
  request(message: Message): ChatRequest;
  failed(error: EngineError): void;            // the server is gone, or wants another key
  slow(): void;                                // nothing has come for a while, and again while nothing comes: its model may be loading
  now(): number;                               // a monotonic clock, for what the answer took
  nextFrame(work: () => void): void;           // when arriving text is put on the page
}

const kSlowMs = 1000;  // without a word of an answer
const kSaveMs = 1000;  // how much of an arriving answer a closed page may lose

export class Runner {
  private readonly running = new Map<string, AbortController>();  // by message id

  constructor(private readonly desk: Desk) {}

  has(id: string): boolean {
    return this.running.has(id);
  }

  ids(): string[] {
    return [...this.running.keys()];
  }

  stop(id: string): void {
    this.running.get(id)?.abort();
  }

  // An answer that already has words is gone on with.
  async run(id: string): Promise<void> {
    const { desk } = this;
    const message = desk.message(id)!;
    const controller = new AbortController();
    this.running.set(id, controller);
    const answer = new Answer(desk.now(), message.content, message.content === '' ? '' : message.thought);
    const kept = message.content === '' ? {} : { thoughtMs: message.thoughtMs, tokens: message.tokens };
    const part = (): Partial<Message> => ({ ...partOf(answer, kept) });
    let drawn = true;
    let savedAt = desk.now();
    const draw = (): void => {
      drawn = true;
      if (this.running.get(id) !== controller) return;
      const save = desk.now() - savedAt > kSaveMs;
      if (save) savedAt = desk.now();
      desk.put({ ...desk.message(id)!, ...part() }, save);
    };
    let state: Message['state'] = 'stopped';
    let failure: Message['failure'];
    const slow = setInterval(() => desk.slow(), kSlowMs);
    try {
      for await (const event of desk.engine().chat(desk.request(message), controller.signal)) {
        clearInterval(slow);
        answer.take(event, desk.now());
        if (!drawn) continue;
        drawn = false;
        desk.nextFrame(draw);
      }
      if (!controller.signal.aborted) state = answer.reason === 'length' ? 'length' : 'done';
    } catch (error) {
      const met = error instanceof EngineError ? error : new EngineError('lost', String(error));
      if (['unreachable', 'unauthorized', 'lost'].includes(met.kind)) desk.failed(met);
      failure = { kind: met.kind, message: met.message };
      // Nothing was lost if the question never arrived: it is asked again when the server is back.
      state = met.kind === 'unreachable' || met.kind === 'unauthorized' ? 'waiting' : 'failed';
    }
    clearInterval(slow);
    this.running.delete(id);
    answer.endThought(desk.now());
    const now = desk.message(id);
    if (now) desk.put({ ...now, ...part(), state, failure, stats: together(message.content === '' ? undefined : now.stats, answer.stats()) }, true);
  }
}

// Of an answer that was gone on with: all its tokens, at the speed of the last of them.
function together(before: Stats | undefined, now: Stats | undefined): Stats | undefined {
  return before && now ? { ...now, tokens: before.tokens + now.tokens, exact: before.exact && now.exact } : now ?? before;
}

function partOf(answer: Answer, kept: Pick<Message, 'thoughtMs' | 'tokens'>): Partial<Message> {
  const tokens = [...(kept.tokens ?? []), ...answer.tokens];
  return {
    content: answer.text,
    thought: answer.thought || undefined,
    thoughtMs: answer.thoughtMs() ?? kept.thoughtMs,
    ...(tokens.length > 0 ? { tokens } : {}),
  };
}
