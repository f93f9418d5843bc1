// The Vercel AI SDK, with its provider for servers that speak OpenAI's API, against the server at OWLET_URL.

import assert from 'node:assert/strict';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, generateText, jsonSchema, streamText, tool } from 'ai';
import { runTests, type Test } from './harness';

const url = process.env.OWLET_URL?.replace(/\/+$/, '');
if (!url) throw new Error('OWLET_URL is needed: the address of a running server');
const apiKey = process.env.OWLET_KEY ?? 'none';
const owlet = createOpenAICompatible({ name: 'owlet', baseURL: `${url}/v1`, apiKey, includeUsage: true });
const models = (await (await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${apiKey}` } })).json()) as { data: { id: string }[] };
const id = models.data[0]?.id ?? '';
const model = owlet.chatModel(id);
const greedy = { model, temperature: 0, maxOutputTokens: 64, maxRetries: 0 };
const question = 'What is the capital of Peru?';

interface RawChoice {
  index: number;
  message: { content: string };
  logprobs: { content: { token: string; logprob: number; top_logprobs: unknown[] }[] } | null;
}

const choicesOf = (body: unknown): RawChoice[] => (body as { choices: RawChoice[] }).choices;

async function failure(work: Promise<unknown>): Promise<APICallError> {
  const error: unknown = await work.then(() => null, (e: unknown) => e);
  assert.ok(APICallError.isInstance(error), `expected an error of the API, got ${String(error)}`);
  return error;
}

const tests: Test[] = [
  ['a plain answer', async () => {
    const { text, finishReason, usage } = await generateText({ ...greedy, prompt: question });
    assert.match(text, /\w/);
    assert.ok(['stop', 'length'].includes(finishReason), finishReason);
    assert.ok((usage.inputTokens ?? 0) > 0 && (usage.outputTokens ?? 0) > 0);
  }],

  ['a streamed answer is the plain one, in pieces', async () => {
    const plain = await generateText({ ...greedy, prompt: question });
    const stream = streamText({ ...greedy, prompt: question });
    const pieces: string[] = [];
    for await (const piece of stream.textStream) pieces.push(piece);
    assert.equal(pieces.join(''), plain.text);
    assert.ok(pieces.length > 1, 'the answer came in one piece');
    assert.equal(await stream.finishReason, plain.finishReason);
    assert.equal((await stream.usage).outputTokens, plain.usage.outputTokens);
  }],

  ['thoughts are reasoning, plain and streamed', async () => {
    const request = { ...greedy, maxOutputTokens: 256, prompt: 'What is 47 + 25?' };
    const plain = await generateText(request);
    assert.match(plain.reasoningText ?? '', /\w/, 'the model thought nothing');
    let thought = '';
    for await (const part of streamText(request).fullStream) {
      if (part.type === 'reasoning-delta') thought += part.text;
    }
    assert.equal(thought, plain.reasoningText);
  }],

  ['a conversation with a system message', async () => {
    const { text } = await generateText({
      ...greedy,
      system: 'Answer briefly.',
      messages: [{ role: 'user', content: 'Hello!' }, { role: 'assistant', content: 'Hello.' }, { role: 'user', content: [{ type: 'text', text: question }] }],
    });
    assert.match(text, /\w/);
  }],

  ['several answers and their log-probabilities', async () => {
    const { response } = await generateText({
      ...greedy, temperature: 1, seed: 3, prompt: question, providerOptions: { owlet: { n: 2, logprobs: true, top_logprobs: 2 } },
    });
    const choices = choicesOf(response.body);
    assert.deepEqual(choices.map((choice) => choice.index), [0, 1]);
    for (const { logprobs } of choices) {
      assert.ok(logprobs && logprobs.content.length > 0);
      for (const token of logprobs.content) assert.ok(token.logprob <= 0 && token.top_logprobs.length === 2);
    }
  }],

  ['a stop sequence ends the answer and is not part of it', async () => {
    const whole = (await generateText({ ...greedy, prompt: question })).text;
    const stop = whole.slice(Math.floor(whole.length / 2), Math.floor(whole.length / 2) + 3);
    const { text, finishReason } = await generateText({ ...greedy, prompt: question, stopSequences: [stop] });
    assert.equal(text, whole.slice(0, whole.indexOf(stop)));
    assert.equal(finishReason, 'stop');
  }],

  ['a plain completion', async () => {
    const { text, usage } = await generateText({ ...greedy, model: owlet.completionModel(id), maxOutputTokens: 8, prompt: 'The capital of Peru is' });
    assert.ok(text.length > 0);
    assert.ok((usage.outputTokens ?? 0) <= 8);
  }],

  ['an answer that is aborted leaves the server well', async () => {
    const leave = new AbortController();
    const stream = streamText({ ...greedy, maxOutputTokens: 400, prompt: 'Tell me a very short story.', abortSignal: leave.signal });
    let aborted = false;
    for await (const part of stream.fullStream) {
      if (part.type === 'text-delta' || part.type === 'reasoning-delta') leave.abort();
      aborted ||= part.type === 'abort';
    }
    assert.ok(aborted);
    assert.match((await generateText({ ...greedy, prompt: question })).text, /\w/);
  }],

  ['errors come through with their status and words', async () => {
    const wrong = await failure(generateText({ ...greedy, temperature: 9, prompt: question }));
    assert.equal(wrong.statusCode, 400);
    assert.match(wrong.message, /temperature/);
    const missing = await failure(generateText({ ...greedy, model: owlet.chatModel('no-such-model'), prompt: question }));
    assert.equal(missing.statusCode, 404);
    const tools = { clock: tool({ description: 'the time', inputSchema: jsonSchema({ type: 'object', properties: {} }) }) };
    const unsupported = await failure(generateText({ ...greedy, prompt: question, tools }));
    assert.match(unsupported.message, /tools/);
    const long = await failure(generateText({ ...greedy, prompt: 'word '.repeat(40_000) }));
    assert.match(long.message, /context/);
  }],
];

await runTests(tests);
