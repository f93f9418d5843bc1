import { afterEach, describe, expect, it, vi } from 'vitest';
import { EngineError, type ChatEvent } from './engine';
import { HttpEngine } from './http';

afterEach(() => vi.unstubAllGlobals());

function answer(body: string, status = 200): void {
  vi.stubGlobal('fetch', vi.fn(async () => new Response(body, { status })));
}

async function chat(engine = new HttpEngine('', '')): Promise<ChatEvent[]> {
  const events: ChatEvent[] = [];
  for await (const event of engine.chat({ model: 'm', messages: [] }, new AbortController().signal)) events.push(event);
  return events;
}

async function failure(work: Promise<unknown>): Promise<EngineError> {
  const error: unknown = await work.then(() => null, (e: unknown) => e);
  expect(error).toBeInstanceOf(EngineError);
  return error as EngineError;
}

const chunk = (delta: object, finish_reason: string | null = null): string => `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason }] })}\n\n`;

describe('HttpEngine.chat', () => {
  it('gives thoughts, text, the end and the usage in order', async () => {
    answer(chunk({ role: 'assistant', content: '' }) + chunk({ reasoning_content: 'hm' }) + chunk({ content: 'Li' }) + chunk({ content: 'ma' }) +
      chunk({}, 'length') + 'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3},"timings":{"predicted_per_second":41.5}}\n\ndata: [DONE]\n\n');
    expect(await chat()).toEqual([
      { type: 'thought', text: 'hm' },
      { type: 'text', text: 'Li' },
      { type: 'text', text: 'ma' },
      { type: 'end', reason: 'length' },
      { type: 'usage', usage: { promptTokens: 5, completionTokens: 3, tokensPerSecond: 41.5 } },
    ]);
  });

  it('asks for a stream with its usage, and sends the key', async () => {
    answer('data: [DONE]\n\n');
    await chat(new HttpEngine('http://host:1', 'secret'));
    const [url, init] = vi.mocked(fetch).mock.calls[0] as [string, RequestInit];
    expect(url).toBe('http://host:1/v1/chat/completions');
    expect(init.headers).toMatchObject({ Authorization: 'Bearer secret' });
    expect(JSON.parse(String(init.body))).toMatchObject({ model: 'm', stream: true, stream_options: { include_usage: true } });
  });

  it('calls an answer without an end lost', async () => {
    answer(chunk({ content: 'Li' }));
    expect((await failure(chat())).kind).toBe('lost');
  });

  it('calls garbage lost', async () => {
    answer('data: {"choices":[{"del\n\n');
    expect((await failure(chat())).kind).toBe('lost');
  });

  it('survives fields of the wrong type', async () => {
    answer('data: 7\n\ndata: {"choices":"x","usage":{"completion_tokens":"many"}}\n\ndata: {"choices":[{"delta":null,"finish_reason":"stop"}]}\n\n');
    expect(await chat()).toEqual([
      { type: 'usage', usage: { promptTokens: 0, completionTokens: 0 } },
      { type: 'end', reason: 'stop' },
    ]);
  });

  it('hands on an error that comes in mid-stream', async () => {
    answer(`${chunk({ content: 'Li' })}data: {"error":{"message":"the engine stopped","code":null}}\n\n`);
    expect(await failure(chat())).toMatchObject({ kind: 'refused', message: 'the engine stopped' });
  });

  it('tells the kinds of errors apart', async () => {
    const said = (code: string | null): string => JSON.stringify({ error: { message: 'words', type: 'x', param: null, code } });
    answer(said('context_length_exceeded'), 400);
    expect(await failure(chat())).toMatchObject({ kind: 'context', message: 'words', status: 400 });
    answer(said(null), 400);
    expect((await failure(chat())).kind).toBe('refused');
    answer(said(null), 401);
    expect((await failure(chat())).kind).toBe('unauthorized');
    answer('<h1>Bad gateway</h1>', 502);
    expect((await failure(chat())).kind).toBe('unreachable');
    answer('<h1>Not found</h1>', 404);
    expect((await failure(chat())).kind).toBe('foreign');
    vi.stubGlobal('fetch', vi.fn(async () => Promise.reject(new TypeError('refused'))));
    expect((await failure(chat())).kind).toBe('unreachable');
  });

  it('ends quietly when it is stopped', async () => {
    const controller = new AbortController();
    vi.stubGlobal('fetch', vi.fn(async () => {
      controller.abort();
      throw new DOMException('aborted', 'AbortError');
    }));
    const events: ChatEvent[] = [];
    for await (const event of new HttpEngine('', '').chat({ model: 'm', messages: [] }, controller.signal)) events.push(event);
    expect(events).toEqual([]);
  });
});

describe('HttpEngine.models', () => {
  it('reads what it understands and skips the rest', async () => {
    answer(JSON.stringify({ object: 'list', data: [
      { id: 'owlet', meta: { size_bytes: 100, n_params: 7, context_length: -1 } }, { id: '' }, null, { id: 'plain' },
    ] }));
    expect(await new HttpEngine('', '').models()).toEqual([
      { id: 'owlet', sizeBytes: 100, nParams: 7, contextLength: undefined, description: undefined },
      { id: 'plain', sizeBytes: undefined, nParams: undefined, contextLength: undefined, description: undefined },
    ]);
  });

  it('knows a page that is no server', async () => {
    answer('<!doctype html>');
    expect((await failure(new HttpEngine('', '').models())).kind).toBe('foreign');
  });
});

describe('HttpEngine.runs', () => {
  it('reads what it understands and skips the rest', async () => {
    answer(JSON.stringify({ runs: [{ name: 'first', idle_seconds: 3 }, { name: 7 }, null, { name: '<b>' }] }));
    expect(await new HttpEngine('', '').runs.list()).toEqual([{ name: 'first', idleSeconds: 3 }, { name: '<b>', idleSeconds: 0 }]);
    answer(JSON.stringify({ name: 'first', step: 3, steps: 'x', loss: [[1, 2.5], [2, 'low'], 7, [-1, 1], [3, 2]], validations: [{ step: 3, loss: 2, bits_per_byte: 1 }, {}],
      choices: { arc: { accuracy: 0.5 }, bad: 1 }, answers: [{ step: 3, question: 'Who?', answer: null }], tokens_per_second: 1e999 }));
    expect(await new HttpEngine('', '').runs.follow('first')).toMatchObject({
      step: 3, steps: undefined, tokensPerSecond: undefined, loss: [[1, 2.5], [3, 2]], validations: [{ step: 3, loss: 2, bitsPerByte: 1 }],
      choices: [{ name: 'arc', accuracy: 0.5 }], answers: [{ step: 3, question: 'Who?', answer: '' }],
    });
  });

  it('knows a server that shows none', async () => {
    answer(JSON.stringify({ error: { message: 'none', code: 'no_runs' } }), 404);
    expect(await new HttpEngine('', '').runs.list()).toBeNull();
    answer('[]');
    expect((await failure(new HttpEngine('', '').runs.follow('x'))).kind).toBe('foreign');
  });
});
