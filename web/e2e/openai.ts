// The official client of OpenAI's API against the server at OWLET_URL (against the mock where that is not given, which
// only tests this file).

import assert from 'node:assert/strict';
import OpenAI, { APIError, BadRequestError, NotFoundError } from 'openai';
import type { ChatCompletionChunk } from 'openai/resources/chat/completions';
import { runTests, type Test } from './harness';
import { MockServer } from './mock-server';

const url = process.env.OWLET_URL?.replace(/\/+$/, '');
const mock = url ? null : await MockServer.start({ page: false });
const client = new OpenAI({ baseURL: `${url ?? mock!.url}/v1`, apiKey: process.env.OWLET_KEY ?? 'none', maxRetries: 0 });
const { data: models } = await client.models.list();
const model = models[0]?.id ?? '';

const user = (content: string): { role: 'user'; content: string } => ({ role: 'user', content });
const greedy = { model, temperature: 0, max_tokens: 64 };

type Delta = ChatCompletionChunk.Choice.Delta & { reasoning_content?: string };

async function failure(work: Promise<unknown>): Promise<APIError> {
  const error: unknown = await work.then(() => null, (e: unknown) => e);
  assert.ok(error instanceof APIError, `expected an error of the API, got ${String(error)}`);
  return error;
}

const tests: Test[] = [
  ['the models are listed', async () => {
    assert.ok(models.length > 0);
    for (const entry of models) {
      assert.equal(entry.object, 'model');
      assert.ok(entry.id.length > 0);
    }
  }],

  ['a plain answer', async () => {
    const answer = await client.chat.completions.create({ ...greedy, messages: [user('What is the capital of Peru?')] });
    const [choice] = answer.choices;
    assert.equal(answer.object, 'chat.completion');
    assert.equal(choice?.message.role, 'assistant');
    assert.match(choice.message.content ?? '', /\w/);
    assert.ok(['stop', 'length'].includes(choice.finish_reason));
    assert.ok(answer.usage && answer.usage.completion_tokens > 0);
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  }],

  ['a streamed answer is the plain one, in pieces', async () => {
    const messages = [user('What is the capital of Peru?')];
    const plain = await client.chat.completions.create({ ...greedy, messages });
    const stream = await client.chat.completions.create({ ...greedy, messages, stream: true, stream_options: { include_usage: true } });
    let text = '';
    let pieces = 0;
    let reason: string | null = null;
    let usage: OpenAI.CompletionUsage | null = null;
    for await (const chunk of stream) {
      assert.equal(chunk.object, 'chat.completion.chunk');
      const [choice] = chunk.choices;
      if (choice?.delta.content) pieces++;
      text += choice?.delta.content ?? '';
      reason = choice?.finish_reason ?? reason;
      usage = chunk.usage ?? usage;
    }
    assert.equal(text, plain.choices[0]?.message.content);
    assert.equal(reason, plain.choices[0]?.finish_reason);
    assert.deepEqual(usage?.completion_tokens, plain.usage?.completion_tokens);
    assert.ok(pieces > 1, 'the answer came in one piece');
  }],

  ['thoughts come apart from the answer', async () => {
    const messages = [user('What is 47 + 25?')];
    const plain = await client.chat.completions.create({ ...greedy, max_tokens: 256, messages });
    const message = plain.choices[0]?.message as { content: string | null; reasoning_content?: string };
    assert.match(message.reasoning_content ?? '', /\w/, 'the model thought nothing');
    assert.doesNotMatch(message.content ?? '', /<\/?think>/);
    const stream = await client.chat.completions.create({ ...greedy, max_tokens: 256, messages, stream: true });
    let thought = '';
    let text = '';
    for await (const chunk of stream) {
      const delta = chunk.choices[0]?.delta as Delta | undefined;
      if (delta?.reasoning_content) assert.equal(text, '', 'a thought came after the answer had begun');
      thought += delta?.reasoning_content ?? '';
      text += delta?.content ?? '';
    }
    assert.equal(thought, message.reasoning_content);
    assert.equal(text, message.content ?? '');
  }],

  ['a stop string ends the answer and is not part of it', async () => {
    const messages = [user('What is the capital of Peru?')];
    const whole = (await client.chat.completions.create({ ...greedy, messages })).choices[0]?.message.content ?? '';
    const stop = whole.slice(Math.floor(whole.length / 2), Math.floor(whole.length / 2) + 3);
    const expected = whole.slice(0, whole.indexOf(stop));
    const plain = await client.chat.completions.create({ ...greedy, messages, stop: [stop] });
    assert.equal(plain.choices[0]?.message.content, expected);
    assert.equal(plain.choices[0]?.finish_reason, 'stop');
    let streamed = '';
    for await (const chunk of await client.chat.completions.create({ ...greedy, messages, stop, stream: true })) {
      streamed += chunk.choices[0]?.delta.content ?? '';
    }
    assert.equal(streamed, expected);
  }],

  ['max_tokens cuts the answer and says so', async () => {
    const answer = await client.chat.completions.create({ ...greedy, max_tokens: 2, messages: [user('Tell me a very short story.')] });
    assert.equal(answer.choices[0]?.finish_reason, 'length');
    assert.equal(answer.usage?.completion_tokens, 2);
  }],

  ['the same seed gives the same answer', async () => {
    const request = { model, temperature: 1, seed: 7, max_tokens: 32, messages: [user('Tell me a very short story.')] };
    const [one, two] = await Promise.all([client.chat.completions.create(request), client.chat.completions.create(request)]);
    assert.equal(one.choices[0]?.message.content, two.choices[0]?.message.content);
  }],

  ['an answer that is aborted leaves the server well', async () => {
    const stream = await client.chat.completions.create({ model, max_tokens: 400, messages: [user('Tell me a very short story.')], stream: true });
    let chunks = 0;
    for await (const chunk of stream) {
      chunks += chunk.choices.length;
      if (chunks >= 2) stream.controller.abort();
    }
    const after = await client.chat.completions.create({ ...greedy, messages: [user('What is the capital of Peru?')] });
    assert.match(after.choices[0]?.message.content ?? '', /\w/);
  }],

  ['errors have the form of the API', async () => {
    const error = await failure(client.chat.completions.create({ ...greedy, temperature: 9, messages: [user('Hello')] }));
    assert.ok(error instanceof BadRequestError);
    assert.equal(error.status, 400);
    assert.match(error.message, /temperature/);
    const missing = await failure(client.get('/nothing-here'));
    assert.ok(missing instanceof NotFoundError);
  }],

  ['a prompt longer than the context is a 400 that names both numbers', async () => {
    const error = await failure(client.chat.completions.create({ ...greedy, messages: [user('word '.repeat(40_000))] }));
    assert.ok(error instanceof BadRequestError);
    assert.equal(error.code, 'context_length_exceeded');
    const numbers = (error.message.match(/\d[\d,]*/g) ?? []).map((n) => Number(n.replaceAll(',', ''))).filter((n) => n >= 64 && n !== 400);
    assert.ok(numbers.length >= 2, `both numbers should be in: ${error.message}`);
  }],
];

// What the mock does not know.
const ofTheServer: Test[] = [
  ['several answers, plain and streamed', async () => {
    const request = { model, temperature: 1, seed: 5, n: 3, max_tokens: 24, messages: [user('Tell me a very short story.')] };
    const plain = await client.chat.completions.create(request);
    assert.deepEqual(plain.choices.map((choice) => choice.index), [0, 1, 2]);
    const texts = ['', '', ''];
    for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
      for (const choice of chunk.choices) texts[choice.index] += choice.delta.content ?? '';
    }
    assert.deepEqual(texts, plain.choices.map((choice) => choice.message.content));
    assert.ok(new Set(texts).size > 1, 'all answers are the same');
  }],

  ['log-probabilities of a chat', async () => {
    const request = { ...greedy, max_tokens: 8, logprobs: true, top_logprobs: 3, messages: [user('What is the capital of Peru?')] };
    const content = (await client.chat.completions.create(request)).choices[0]?.logprobs?.content ?? [];
    assert.ok(content.length > 0);
    for (const token of content) {
      assert.equal(token.top_logprobs.length, 3);
      assert.equal(token.top_logprobs[0]?.logprob, token.logprob, 'greedy takes the likeliest');
      assert.equal(new TextDecoder().decode(new Uint8Array(token.bytes ?? [])), token.token);
    }
  }],

  ['completions echo their prompt with its log-probabilities', async () => {
    const prompt = 'The capital of Peru is';
    const answer = await client.completions.create({ model, prompt, temperature: 0, max_tokens: 4, echo: true, logprobs: 1 });
    const [choice] = answer.choices;
    assert.ok(choice);
    assert.ok(choice.text.startsWith(prompt));
    const scores = choice.logprobs?.token_logprobs ?? [];
    assert.equal(scores[0], null);
    // The token that ends an answer is scored, but is no part of it.
    const ending = choice.finish_reason === 'stop' ? 1 : 0;
    assert.equal(scores.length, (answer.usage?.prompt_tokens ?? 0) + (answer.usage?.completion_tokens ?? 0) + ending);
    const batch = await client.completions.create({ model, prompt: [prompt, 'Once upon a time'], temperature: 0, max_tokens: 4 });
    assert.equal(batch.choices.length, 2);
    assert.equal(batch.choices[0]?.text, choice.text.slice(prompt.length));
  }],

  ['what is not supported is refused by name', async () => {
    const tool = { type: 'function' as const, function: { name: 'f', parameters: {} } };
    const messages = [user('Hello')];
    assert.match((await failure(client.chat.completions.create({ ...greedy, messages, tools: [tool] }))).message, /tools/);
    assert.match((await failure(client.chat.completions.create({ ...greedy, messages, response_format: { type: 'json_object' } }))).message, /response_format/);
  }],

  ['a thinking budget is kept', async () => {
    const messages = [user('What is 47 + 25?')];
    const answer = await client.chat.completions.create({ ...greedy, messages, reasoning_effort: 'none' });
    const message = answer.choices[0]?.message as { content: string | null; reasoning_content?: string };
    assert.equal(message.reasoning_content ?? '', '');
    assert.match(message.content ?? '', /\w/);
  }],
];

await runTests(url ? [...tests, ...ofTheServer] : tests);
await mock?.stop();
