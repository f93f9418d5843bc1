// The engine behind an OpenAI-compatible server. Everything a server sends is checked before it is believed.

import { EngineError, type ChatEvent, type ChatRequest, type Engine, type ModelInfo, type Piece, type Token, type TrainingRuns, type Usage } from './engine';
import { runNamesOf, runOf } from './runs';
import { SseParser } from './sse';

type Json = Record<string, unknown>;

export class HttpEngine implements Engine {
  // `address` is where the server's /v1 lies, without a slash at the end; '' is the page's own origin.
  constructor(
    private readonly address: string,
    private readonly key: string,
    private readonly reach: (address: string, init: RequestInit) => Promise<Response> = (address, init) => fetch(address, init),
  ) {}

  async models(signal?: AbortSignal): Promise<ModelInfo[]> {
    const response = await this.send('/v1/models', { signal });
    if (!response.ok) throw await errorOf(response);
    const body: unknown = await response.json().catch(() => null);
    const data = isObject(body) ? body.data : null;
    if (!Array.isArray(data)) throw new EngineError('foreign', 'What answered is not an Owlet server.', response.status);
    return data.filter(isObject).flatMap(modelOf);
  }

  async *chat(request: ChatRequest, signal: AbortSignal): AsyncIterable<ChatEvent> {
    try {
      const body = JSON.stringify({ ...request, stream: true, stream_options: { include_usage: true } });
      const response = await this.send('/v1/chat/completions', { method: 'POST', body, signal });
      if (!response.ok) throw await errorOf(response);
      if (!response.body) throw new EngineError('lost', 'The server sent no answer.');
      yield* events(response.body.getReader());
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
  }

  async tokenize(text: string, model: string, signal?: AbortSignal): Promise<Piece[] | null> {
    try {
      const body = JSON.stringify({ model, prompt: text, add_special_tokens: false, parse_special: false, return_token_strs: true });
      const response = await this.send('/tokenize', { method: 'POST', body, signal });
      const answer: unknown = response.ok ? await response.json() : null;
      if (!isObject(answer) || !Array.isArray(answer.tokens) || !Array.isArray(answer.token_strs)) return null;
      const texts: unknown[] = answer.token_strs;
      return answer.tokens.map((id, i) => ({ id: Number(id), text: String(texts[i] ?? '') }));
    } catch {
      return null;  // a server of another kind, or none
    }
  }

  readonly runs: TrainingRuns = {
    list: async (signal) => {
      const response = await this.send('/runs', { signal });
      if (response.status === 404) return null;  // without --runs, or a server of another kind
      if (!response.ok) throw await errorOf(response);
      return runNamesOf(await response.json().catch(() => null));
    },
    follow: async (name, signal) => {
      const response = await this.send(`/runs?name=${encodeURIComponent(name)}`, { signal });
      if (!response.ok) throw await errorOf(response);
      return runOf(await response.json().catch(() => null)) ?? fail('The server told nothing of this run.');
    },
  };

  private async send(path: string, init: RequestInit): Promise<Response> {
    const headers: Record<string, string> = init.body ? { 'Content-Type': 'application/json' } : {};
    if (this.key) headers.Authorization = `Bearer ${this.key}`;
    try {
      return await this.reach(this.address + path, { ...init, headers, cache: 'no-store' });
    } catch (error) {
      throw new EngineError('unreachable', error instanceof Error ? error.message : 'The server does not answer.');
    }
  }
}

function fail(message: string): never {
  throw new EngineError('foreign', message);
}

async function* events(reader: ReadableStreamDefaultReader<Uint8Array>): AsyncIterable<ChatEvent> {
  const parser = new SseParser();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(() => ({ done: true, value: undefined }) as const);
      if (done) break;
      for (const data of parser.push(value)) {
        if (data === '[DONE]') return;
        for (const event of eventsOf(data)) {
          ended ||= event.type === 'end';
          yield event;
        }
      }
    }
    if (!ended) throw new EngineError('lost', 'The connection was lost in the middle of the answer.');
  } finally {
    void reader.cancel().catch(() => undefined);  // whoever stops listening early also stops the server's work
  }
}

function eventsOf(data: string): ChatEvent[] {
  let chunk: unknown;
  try {
    chunk = JSON.parse(data);
  } catch {
    throw new EngineError('lost', 'The server sent something that is not JSON.');
  }
  if (!isObject(chunk)) return [];
  if (isObject(chunk.error)) throw failureOf(chunk.error, undefined);

  const found: ChatEvent[] = [];
  const choice: unknown = Array.isArray(chunk.choices) ? chunk.choices[0] : undefined;
  if (isObject(choice)) {
    const delta = isObject(choice.delta) ? choice.delta : {};
    if (isText(delta.reasoning_content)) found.push({ type: 'thought', text: delta.reasoning_content });
    if (isText(delta.content)) found.push({ type: 'text', text: delta.content });
    if (isObject(choice.logprobs) && Array.isArray(choice.logprobs.content)) {
      found.push({ type: 'tokens', tokens: choice.logprobs.content.filter(isObject).map(tokenOf) });
    }
    if (isText(choice.finish_reason)) found.push({ type: 'end', reason: choice.finish_reason === 'length' ? 'length' : 'stop' });
  }
  if (isObject(chunk.usage)) found.push({ type: 'usage', usage: usageOf(chunk.usage, chunk.timings) });
  return found;
}

const kMaxAlternatives = 20;

function tokenOf(entry: Json): Token {
  const top: unknown[] = Array.isArray(entry.top_logprobs) ? entry.top_logprobs.slice(0, kMaxAlternatives) : [];
  return { ...scored(entry), top: top.filter(isObject).map(scored) };
}

function scored(entry: Json): { text: string; logprob: number } {
  const { token, logprob } = entry;
  return { text: typeof token === 'string' ? token : '', logprob: typeof logprob === 'number' && logprob <= 0 ? logprob : -Infinity };
}

function usageOf(usage: Json, timings: unknown): Usage {
  const speed = isObject(timings) ? number(timings.predicted_per_second) : undefined;
  return {
    promptTokens: number(usage.prompt_tokens) ?? 0,
    completionTokens: number(usage.completion_tokens) ?? 0,
    ...(speed ? { tokensPerSecond: speed } : {}),  // 0 where there was one token and nothing to measure
  };
}

function modelOf(entry: Json): ModelInfo[] {
  if (!isText(entry.id)) return [];
  const meta = isObject(entry.meta) ? entry.meta : {};
  return [{
    id: entry.id,
    sizeBytes: number(meta.size_bytes),
    nParams: number(meta.n_params),
    contextLength: number(meta.context_length),
    description: isText(meta.description) ? meta.description : undefined,
    ...loadingOf(entry.status),
  }];
}

// Servers of several models say how far the loading of one has come: {"value": "loading", "progress": 0.4}.
function loadingOf(status: unknown): { loaded?: number } {
  if (!isObject(status) || status.value !== 'loading') return {};
  return { loaded: Math.min(1, number(status.progress) ?? 0) };
}

async function errorOf(response: Response): Promise<EngineError> {
  const body: unknown = await response.json().catch(() => null);
  if (isObject(body) && isObject(body.error)) return failureOf(body.error, response.status);
  if (response.status === 401) return new EngineError('unauthorized', 'The server asks for a key.', 401);
  // An error that is not in the API's form comes from something in between, or from a server of another kind.
  const kind = response.status >= 502 && response.status <= 504 ? 'unreachable' : 'foreign';
  return new EngineError(kind, `The server answered with status ${response.status}.`, response.status);
}

function failureOf(error: Json, status: number | undefined): EngineError {
  const message = isText(error.message) ? error.message.slice(0, 2000) : 'The server gave no reason.';
  if (status === 401) return new EngineError('unauthorized', message, status);
  return new EngineError(error.code === 'context_length_exceeded' ? 'context' : 'refused', message, status);
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
}
