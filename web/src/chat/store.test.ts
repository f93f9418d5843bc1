import 'fake-indexeddb/auto';
import { beforeEach, describe, expect, it } from 'vitest';
import { EngineError, type ChatEvent, type ChatRequest, type Engine, type ModelInfo } from '../engine/engine';
import { MemoryArchive, openArchive, type Archive } from './archive';
import { countsIn, kMostOpened, Store } from './store';
import { openTabs, type Tabs } from './tabs';
import type { Message } from './types';

// Answers when the test says so.
class HandEngine implements Engine {
  requests: ChatRequest[] = [];
  available = true;
  private push: (event: ChatEvent | Error | 'end') => void = () => undefined;

  async models(): Promise<ModelInfo[]> {
    if (!this.available) throw new EngineError('unreachable', 'refused');
    return [{ id: 'owlet' }];
  }

  async *chat(request: ChatRequest, signal: AbortSignal): AsyncIterable<ChatEvent> {
    this.requests.push(request);
    if (!this.available) throw new EngineError('unreachable', 'refused');
    const queue: (ChatEvent | Error | 'end')[] = [];
    let wake: () => void = () => undefined;
    this.push = (event) => {
      queue.push(event);
      wake();
    };
    signal.addEventListener('abort', () => this.push('end'));
    for (;;) {
      const event = queue.shift();
      if (event === 'end') return;
      if (event instanceof Error) throw event;
      if (event) yield event;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  }

  async say(...events: (string | ChatEvent | Error | 'end')[]): Promise<void> {
    for (const event of events) this.push(typeof event === 'string' && event !== 'end' ? { type: 'text', text: event } : event);
    await settled();
  }
}

async function settled(): Promise<void> {
  for (let i = 0; i < 12; i++) await new Promise((resolve) => setTimeout(resolve, 0));
}

async function storeWith(archive: Archive = new MemoryArchive(), tabs?: Tabs): Promise<{ store: Store; engine: HandEngine; archive: Archive }> {
  const engine = new HandEngine();
  const store = new Store({ archive, tabs, server: { address: '', key: '' }, engineFor: () => engine, nextFrame: (work) => work() });
  await store.start(null);
  await settled();
  return { store, engine, archive };
}

const seen = (store: Store): string[] => store.shown().map(({ message }) => `${message.role}:${message.content}:${message.state}`);
const lastOf = (store: Store): Message => store.shown()[store.shown().length - 1]!.message;

beforeEach(() => localStorage.clear());

describe('Store', () => {
  it('holds few of many chats in memory, and among them those in which an answer arrives', async () => {
    const { store, engine } = await storeWith();
    const ids: string[] = [];
    for (let i = 0; i < kMostOpened + 2; i++) {
      await store.open(null);
      store.send(`Question ${i}`);
      await settled();
      ids.push(store.state.currentId!);
      if (i > 0) await engine.say(`Answer ${i}`, 'end');
    }
    expect(Object.keys(store.state.messages)).toEqual(ids.filter((_, i) => i !== 1));
    await store.open(ids[1]!);
    expect(seen(store)).toEqual(['user:Question 1:done', 'assistant:Answer 1:done']);
  });

  it('asks, shows what arrives, and keeps it', async () => {
    const { store, engine, archive } = await storeWith();
    store.send('  What is the capital of Peru? ');
    await settled();
    expect(store.state.chats[0]?.title).toBe('What is the capital of Peru?');
    await engine.say('The ', 'capital');
    expect(seen(store)).toEqual(['user:What is the capital of Peru?:done', 'assistant:The capital:streaming']);
    await engine.say({ type: 'end', reason: 'stop' }, 'end');
    expect(lastOf(store).state).toBe('done');
    expect(engine.requests[0]?.messages).toEqual([{ role: 'user', content: 'What is the capital of Peru?' }]);

    const again = await storeWith(archive);
    await again.store.open(store.state.currentId);
    expect(seen(again.store)).toEqual(['user:What is the capital of Peru?:done', 'assistant:The capital:done']);
  });

  it('stops, and keeps what came', async () => {
    const { store, engine } = await storeWith();
    store.send('story');
    await settled();
    await engine.say('Once');
    store.stop(lastOf(store).id);
    await settled();
    expect(lastOf(store)).toMatchObject({ content: 'Once', state: 'stopped' });
    expect(store.arriving()).toEqual([]);
  });

  it('branches on edit and on another answer', async () => {
    const { store, engine } = await storeWith();
    store.send('one');
    await settled();
    await engine.say('first', { type: 'end', reason: 'stop' }, 'end');
    store.regenerate(lastOf(store).id);
    await settled();
    await engine.say('second', { type: 'end', reason: 'stop' }, 'end');
    expect(store.shown()[1]?.siblings).toHaveLength(2);
    expect(lastOf(store).content).toBe('second');
    store.choose(store.shown()[1]!.siblings[0]!);
    expect(lastOf(store).content).toBe('first');

    store.edit(store.shown()[0]!.message.id, 'uno');
    await settled();
    await engine.say('primero', 'end');
    expect(seen(store)[0]).toBe('user:uno:done');
    expect(store.shown()[0]?.siblings).toHaveLength(2);
    store.choose(store.shown()[0]!.siblings[0]!);
    expect(lastOf(store).content).toBe('first');
  });

  it('asks again by itself when the server is back', async () => {
    const { store, engine } = await storeWith();
    engine.available = false;
    store.send('hello');
    await settled();
    expect(lastOf(store).state).toBe('waiting');
    expect(store.state.link.state).toBe('gone');
    engine.available = true;
    await store.connection.check();
    await settled();
    await engine.say('hi', { type: 'end', reason: 'stop' }, 'end');
    expect(lastOf(store)).toMatchObject({ content: 'hi', state: 'done' });
    expect(engine.requests).toHaveLength(2);
  });

  it('keeps what came before the connection was lost', async () => {
    const { store, engine } = await storeWith();
    store.send('hello');
    await settled();
    await engine.say('half', new EngineError('lost', 'gone'));
    expect(lastOf(store)).toMatchObject({ content: 'half', state: 'failed', failure: { kind: 'lost' } });
  });

  it('leaves out the oldest turns when the chat is too long', async () => {
    const { store, engine } = await storeWith();
    for (const question of ['one', 'two', 'three']) {
      store.send(question);
      await settled();
      await engine.say('an answer', { type: 'end', reason: 'stop' }, 'end');
    }
    store.send('four');
    await settled();
    await engine.say(new EngineError('context', 'The prompt has 1,300 tokens, the context holds 1,024.', 400));
    expect(store.canLeaveOut(lastOf(store))).toBe(true);
    store.leaveOutOldest(lastOf(store).id);
    await settled();
    const sent = engine.requests[engine.requests.length - 1]!.messages;
    expect(sent[0]?.content).not.toBe('one');
    expect(sent[sent.length - 1]?.content).toBe('four');
  });

  it('deletes a chat only after the time to undo', async () => {
    const { store, engine, archive } = await storeWith();
    store.send('one');
    await settled();
    await engine.say('x', 'end');
    const id = store.state.currentId!;
    store.remove(id);
    expect(store.state.chats).toEqual([]);
    expect(await archive.chats()).toHaveLength(1);
    store.restore();
    expect(store.state.chats).toHaveLength(1);
    store.remove(id);
    store.forgetRemoved();
    await settled();
    expect(await archive.chats()).toEqual([]);
    expect(await archive.messages(id)).toEqual([]);
  });

  it('shows an answer as stopped that was arriving when the page was closed', async () => {
    const { store, engine, archive } = await storeWith();
    store.send('one');
    await settled();
    await engine.say('half');
    const again = await storeWith(archive);
    await again.store.open(store.state.currentId);
    expect(lastOf(again.store).state).toBe('stopped');
  });

  it('keeps settings, and sends them', async () => {
    const { store, engine } = await storeWith();
    store.change('temperature', 0);
    store.change('system', 'Be brief.');
    const again = await storeWith();
    expect(again.store.state.settings).toMatchObject({ temperature: 0, system: 'Be brief.' });
    store.send('one');
    await settled();
    expect(engine.requests[0]).toMatchObject({ model: 'owlet', temperature: 0, messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'one' }] });
    await engine.say('end');
  });
});

describe('Store, beyond asking', () => {
  const ended = [{ type: 'end', reason: 'stop' } as const, 'end' as const];

  it('goes on with an answer in place', async () => {
    const { store, engine } = await storeWith();
    store.send('story');
    await settled();
    await engine.say('Once ', { type: 'end', reason: 'length' }, 'end');
    store.continue(lastOf(store).id);
    await settled();
    expect(engine.requests[1]).toMatchObject({
      messages: [{ role: 'user', content: 'story' }, { role: 'assistant', content: 'Once ' }], continue_final_message: true, add_generation_prompt: false,
    });
    await engine.say(' upon', ...ended);
    expect(lastOf(store)).toMatchObject({ content: 'Once  upon', state: 'done', stats: { tokens: 2 } });
    expect(store.shown()).toHaveLength(2);
  });

  it('branches from a token', async () => {
    const { store, engine } = await storeWith();
    store.change('logprobs', true);
    store.send('capital?');
    await settled();
    expect(engine.requests[0]).toMatchObject({ logprobs: true, top_logprobs: 6 });
    const token = (text: string): { text: string; logprob: number; top: { text: string; logprob: number }[] } => ({ text, logprob: -0.1, top: [{ text: ' Quito', logprob: -3 }] });
    await engine.say({ type: 'tokens', tokens: [token('It is'), token(' Lima')] }, 'It is Lima', ...ended);
    store.branch(lastOf(store).id, 1, ' Quito');
    await settled();
    expect(lastOf(store).content).toBe('It is Quito');
    await engine.say({ type: 'tokens', tokens: [token('.')] }, '.', ...ended);
    expect(lastOf(store)).toMatchObject({ content: 'It is Quito.', tokens: [{ text: 'It is' }, { text: ' Quito', logprob: -3 }, { text: '.' }] });
    expect(store.shown()[1]?.siblings).toHaveLength(2);
  });

  it('keeps settings of one chat apart', async () => {
    const { store, engine } = await storeWith();
    store.change('temperature', 0, 'chat');
    store.send('one');
    await settled();
    await engine.say('x', ...ended);
    expect(engine.requests[0]?.temperature).toBe(0);
    const first = store.state.currentId;
    await store.open(null);
    store.send('two');
    await settled();
    await engine.say('x', ...ended);
    expect(engine.requests[1]?.temperature).toBe(0.6);
    await store.open(first);
    expect(store.settings().temperature).toBe(0);
    store.reset('temperature', 'chat');
    expect(store.settings().temperature).toBe(0.6);
  });

  it('sends files before the question, in fences that nothing inside can end', async () => {
    const { store, engine } = await storeWith();
    store.send('Why?', [{ name: 'a.md', text: 'x\n```\ny\n```\n' }]);
    await settled();
    expect(engine.requests[0]?.messages[0]?.content).toBe('a.md\n````\nx\n```\ny\n```\n````\n\nWhy?');
    await engine.say('x', ...ended);
  });

  it('puts pinned chats first', async () => {
    const { store, engine } = await storeWith();
    for (const question of ['one', 'two']) {
      await store.open(null);
      store.send(question);
      await settled();
      await engine.say('x', ...ended);
    }
    store.pin(store.state.chats[1]!.id, true);
    expect(store.state.chats.map((c) => c.title)).toEqual(['one', 'two']);
  });

  it('loses nothing that two tabs do to one chat', async () => {
    const archive = await openArchive('tabs');
    const a = await storeWith(archive, openTabs('tabs'));
    const b = await storeWith(archive, openTabs('tabs'));
    a.store.send('from a');
    await settled();
    await a.engine.say('one', ...ended);
    await settled();
    await b.store.open(a.store.state.currentId);
    expect(seen(b.store)).toEqual(['user:from a:done', 'assistant:one:done']);
    // Both at once: two questions to one answer are branches of it.
    a.store.send('again from a');
    b.store.send('from b');
    await settled();
    await a.engine.say('two', ...ended);
    await b.engine.say('three', ...ended);
    await settled();
    const c = await storeWith(archive);
    await c.store.open(a.store.state.currentId);
    expect(c.store.shown()[2]?.siblings).toHaveLength(2);
    for (const { store } of [a, b, c]) expect(Object.keys(store.state.messages[a.store.state.currentId!]!)).toHaveLength(6);
  });

  it('stops an answer that arrives in another tab', async () => {
    const archive = await openArchive('tabs2');
    const a = await storeWith(archive, openTabs('tabs2'));
    const b = await storeWith(archive, openTabs('tabs2'));
    a.store.send('story');
    await settled();
    await b.store.open(a.store.state.currentId);
    await a.engine.say('Once');
    b.store['hear']({ kind: 'message', message: lastOf(a.store) });  // what a saves every second
    expect(lastOf(b.store).state).toBe('streaming');
    b.store.stop(lastOf(b.store).id);
    await settled();
    await settled();
    expect(lastOf(a.store).state).toBe('stopped');
    expect(lastOf(b.store).state).toBe('stopped');
  });

  it('finds words in messages, and takes chats from a file', async () => {
    const { store, archive } = await storeWith(await openArchive('found'));
    const message = (id: string, content: string, createdAt: number): Message => ({ id, chatId: 'c', parent: 'root', role: 'user', content, createdAt, state: 'done' });
    await store.take({ chats: [{ id: 'c', title: 't', createdAt: 1, updatedAt: 1, chosen: {} }], messages: [message('a', 'An owl', 1), message('b', 'the OWL again', 2), message('d', 'x', 3)] });
    expect(store.state.chats).toHaveLength(1);
    expect([...(await archive.find('owl')).values()].map((m) => m.id)).toEqual(['b']);
    expect((await store.everything()).messages).toHaveLength(3);
  });
});

describe('the archive in IndexedDB', () => {
  it('keeps chats and messages apart, and removes them together', async () => {
    const archive = await openArchive('test');
    const chat = { id: 'c', title: 't', createdAt: 1, updatedAt: 1, chosen: {} };
    const message: Message = { id: 'm', chatId: 'c', parent: 'root', role: 'user', content: 'x', createdAt: 1, state: 'done' };
    await archive.saveChat(chat);
    await archive.saveMessage(message);
    await archive.saveMessage({ ...message, id: 'n', chatId: 'other' });
    expect(await archive.chats()).toEqual([chat]);
    expect(await archive.messages('c')).toEqual([message]);
    await archive.removeChat('c');
    expect(await archive.chats()).toEqual([]);
    expect(await archive.messages('c')).toEqual([]);
    expect(await archive.messages('other')).toHaveLength(1);
  });
});

describe('countsIn', () => {
  it('finds both numbers', () => expect(countsIn('prompt has 1,300 tokens, the context holds 1024.')).toEqual([1300, 1024]));
  it('finds none where there are none', () => expect(countsIn('too long')).toEqual([]));
});
