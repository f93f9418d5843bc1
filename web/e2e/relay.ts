// The relay of relay/relay.js, in node: what passes, what does not, and that it keeps the way open.

import assert from 'node:assert/strict';
import { runTests, type Test } from './harness';

type Relay = (request: Request, address: string) => Promise<Response>;
type Reach = (url: string, init: RequestInit) => Promise<Response>;
const { makeRelay } = (await import(new URL('../relay/relay.js', import.meta.url).href)) as { makeRelay(options: object): Relay };

const chat = (body: unknown, init: RequestInit = {}): Request =>
  new Request('https://site/v1/chat/completions', { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), ...init });
const messages = [{ role: 'user', content: 'hello' }];
const sse = (text: string): Response => new Response(text, { headers: { 'Content-Type': 'text/event-stream' } });

function relayTo(reach: Reach, options: object = {}): Relay {
  return makeRelay({ url: 'https://owlet', key: 'secret', fetch: reach, ...options });
}

const tests: Test[] = [
  ['a chat passes with the key, as a stream', async () => {
    let sent: RequestInit = {};
    const relay = relayTo(async (url, init) => {
      assert.equal(url, 'https://owlet/v1/chat/completions');
      sent = init;
      return sse('data: {"a":1}\n\ndata: [DONE]\n\n');
    });
    const answer = await relay(chat({ messages, temperature: 0.5 }), 'a');
    assert.equal(answer.headers.get('content-type'), 'text/event-stream');
    assert.equal(await answer.text(), ': owlet\n\ndata: {"a":1}\n\ndata: [DONE]\n\n');
    assert.equal(new Headers(sent.headers).get('authorization'), 'Bearer secret');
    assert.deepEqual(JSON.parse(String(sent.body)), { messages, temperature: 0.5, stream: true });
  }],
  ['fields that are not known, what is no JSON, and too much of it are refused', async () => {
    const relay = relayTo(async () => assert.fail('nothing may pass'));
    for (const [body, why] of [[{ messages, logit_bias: {} }, /logit_bias/], ['{', /not JSON/], ['[]', /not an object/], [' '.repeat(300_000), /at most/]] as const) {
      const answer = await relay(chat(body), 'a');
      assert.equal(answer.status, 400);
      assert.match(await answer.text(), why);
    }
    assert.equal((await relay(new Request('https://site/v1/embeddings'), 'a')).status, 404);
    assert.equal((await relay(new Request('https://site/v1/chat/completions'), 'a')).status, 405);
  }],
  ['the head goes out at once, and comments follow while the server thinks', async () => {
    let begin: (response: Response) => void = () => undefined;
    const relay = relayTo(() => new Promise((resolve) => (begin = resolve)), { heartbeatMs: 5 });
    const reader = (await relay(chat({ messages }), 'a')).body!.getReader();
    const read = async (): Promise<string> => new TextDecoder().decode((await reader.read()).value);
    assert.equal(await read(), ': owlet\n\n');
    assert.equal(await read(), ':\n\n');
    begin(sse('data: [DONE]\n\n'));
    let text = await read();
    while (text === ':\n\n') text = await read();
    assert.equal(text, 'data: [DONE]\n\n');
    assert.equal((await reader.read()).done, true);
  }],
  ['one address may ask so often a minute, and others still may', async () => {
    let now = 0;
    const relay = relayTo(async () => sse(''), { perMinute: 2, now: () => now });
    const status = async (address: string): Promise<number> => (await relay(chat({ messages }), address)).status;
    assert.deepEqual([await status('a'), await status('a'), await status('a'), await status('b')], [200, 200, 429, 200]);
    now = 59_000;
    const refusal = await relay(chat({ messages }), 'a');
    assert.equal(refusal.headers.get('retry-after'), '1');
    now = 60_000;
    assert.equal(await status('a'), 200);
  }],
  ['errors of the server arrive in the stream, in its own words', async () => {
    const down = relayTo(async () => Promise.reject(new Error('refused')));
    assert.match(await (await down(chat({ messages }), 'a')).text(), /data: \{"error":\{"message":"The server does not answer\."/);
    const busy = relayTo(async () => new Response('{"error": {"message": "the queue\\nis full"}}', { status: 429 }));
    assert.match(await (await busy(chat({ messages }), 'a')).text(), /data: \{"error": \{"message": "the queue\\nis full"\}\}\n\ndata: \[DONE\]/);
  }],
  ['who stops reading stops the server', async () => {
    let signal: AbortSignal | null | undefined;
    const relay = relayTo((_url, init) => {
      signal = init.signal;
      return new Promise(() => undefined);
    });
    const reader = (await relay(chat({ messages }), 'a')).body!.getReader();
    await reader.read();
    await reader.cancel();
    assert.equal(signal?.aborted, true);
  }],
  ['the models are the server\'s', async () => {
    const relay = relayTo(async (url) => new Response(url === 'https://owlet/v1/models' ? '{"data":[]}' : '', { status: 200 }));
    assert.equal(await (await relay(new Request('https://site/v1/models'), 'a')).text(), '{"data":[]}');
  }],
];
await runTests(tests);
