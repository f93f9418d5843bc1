import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EngineError, type Engine, type ModelInfo } from '../engine/engine';
import { addressFrom, Connection } from './connection';

class FakeEngine implements Engine {
  answers: (ModelInfo[] | EngineError)[] = [];
  async models(): Promise<ModelInfo[]> {
    const answer = this.answers.shift() ?? [{ id: 'owlet' }];
    if (answer instanceof EngineError) throw answer;
    return answer;
  }
  async *chat(): AsyncIterable<never> {}
}

const gone = (): EngineError => new EngineError('unreachable', 'refused');

describe('Connection', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function connect(...answers: FakeEngine['answers']): { connection: Connection; engine: FakeEngine } {
    const engine = new FakeEngine();
    engine.answers = answers;
    return { connection: new Connection({ address: '', key: '' }, () => engine, () => undefined), engine };
  }

  it('is ready when the server lists its models', async () => {
    const { connection } = connect();
    await connection.check();
    expect(connection.link).toEqual({ state: 'ready' });
    expect(connection.models).toEqual([{ id: 'owlet' }]);
  });

  it('knocks again, more and more slowly, until the server is back', async () => {
    const { connection } = connect(gone(), gone(), gone());
    await connection.check();
    expect(connection.link.state).toBe('gone');
    await vi.advanceTimersByTimeAsync(999);
    expect(connection.link.state).toBe('gone');
    await vi.advanceTimersByTimeAsync(1 + 2000);
    expect(connection.link.state).toBe('gone');
    await vi.advanceTimersByTimeAsync(4000);
    expect(connection.link.state).toBe('ready');
  });

  it('notices while nobody asks anything', async () => {
    const { connection, engine } = connect();
    await connection.check();
    engine.answers = [gone(), gone()];
    await vi.advanceTimersByTimeAsync(15000);
    expect(connection.link.state).toBe('gone');
  });

  it('looks more often while a model is being loaded', async () => {
    const loading = [{ id: 'owlet', loaded: 0.5 }];
    const { connection } = connect(loading, loading);
    await connection.check();
    await vi.advanceTimersByTimeAsync(500);
    expect(connection.models).toEqual(loading);
    await vi.advanceTimersByTimeAsync(500);
    expect(connection.models).toEqual([{ id: 'owlet' }]);
  });

  it('asks for an address where the page has no server of its own', async () => {
    const { connection } = connect(new EngineError('foreign', 'html'));
    await connection.check();
    expect(connection.link).toEqual({ state: 'ask', wrong: null });
    expect(connection.wantsKey).toBe(false);
  });

  it('asks for a key where the own server wants one, and says when a key is wrong', async () => {
    const { connection, engine } = connect(new EngineError('unauthorized', 'no'), new EngineError('unauthorized', 'Invalid API key'));
    await connection.check();
    expect(connection.link).toEqual({ state: 'ask', wrong: null });
    expect(connection.wantsKey).toBe(true);
    await connection.use({ address: '', key: 'bad' });
    expect(connection.link).toEqual({ state: 'ask', wrong: 'Invalid API key' });
    engine.answers = [];
    await connection.use({ address: '', key: 'good' });
    expect(connection.link.state).toBe('ready');
  });

  it('ignores a late answer of the server before', async () => {
    let late: (models: ModelInfo[]) => void = () => undefined;
    const slow: Engine = { models: () => new Promise((resolve) => (late = resolve)), chat: async function* () {} };
    const quick = new FakeEngine();
    const connection = new Connection({ address: 'slow', key: '' }, (s) => (s.address === 'slow' ? slow : quick), () => undefined);
    const first = connection.check();
    await connection.use({ address: 'quick', key: '' });
    late([{ id: 'wrong' }]);
    await first;
    expect(connection.models).toEqual([{ id: 'owlet' }]);
  });
});

describe('addressFrom', () => {
  it.each([
    ['localhost:8080', 'http://localhost:8080'],
    ['127.0.0.1:8080/', 'http://127.0.0.1:8080'],
    ['example.org', 'https://example.org'],
    [' https://example.org/owlet/v1/ ', 'https://example.org/owlet'],
    ['http://192.168.1.7:9/?x#y', 'http://192.168.1.7:9'],
  ])('reads %s', (typed, address) => expect(addressFrom(typed)).toBe(address));

  it.each(['', '   ', 'not an address', 'javascript:alert(1)', 'http://', 'https://user:pass@example.org'])('refuses %j', (typed) => {
    expect(addressFrom(typed)).toBeNull();
  });
});
