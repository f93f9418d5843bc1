import { describe, expect, it } from 'vitest';
import { Answer } from './answer';

describe('Answer', () => {
  it('times its thoughts from the first one to the first word', () => {
    const answer = new Answer(1000);
    answer.take({ type: 'thought', text: 'so ' }, 1200);
    answer.take({ type: 'thought', text: 'then' }, 4000);
    expect(answer.thoughtMs()).toBeUndefined();
    answer.take({ type: 'text', text: '\n\n' }, 4100);
    expect(answer.thoughtMs()).toBeUndefined();
    answer.take({ type: 'text', text: 'Lima' }, 5200);
    answer.take({ type: 'text', text: '.' }, 6000);
    expect(answer.thoughtMs()).toBe(4000);
    expect(answer.thought).toBe('so then');
    expect(answer.text).toBe('Lima.');
  });

  it('stops the clock of thoughts that led to nothing', () => {
    const answer = new Answer(0);
    answer.take({ type: 'thought', text: 'hm' }, 10);
    answer.endThought(510);
    expect(answer.thoughtMs()).toBe(500);
  });

  it('has no thinking time without thoughts', () => {
    const answer = new Answer(0);
    answer.take({ type: 'text', text: 'x' }, 10);
    answer.endThought(20);
    expect(answer.thoughtMs()).toBeUndefined();
  });

  it('prefers the numbers of the engine', () => {
    const answer = new Answer(100);
    answer.take({ type: 'text', text: 'a' }, 138);
    answer.take({ type: 'text', text: 'b' }, 638);
    expect(answer.stats()).toEqual({ tokens: 2, exact: false, tokensPerSecond: 2, firstTokenMs: 38 });
    answer.take({ type: 'usage', usage: { promptTokens: 3, completionTokens: 212, tokensPerSecond: 41 } }, 700);
    expect(answer.stats()).toEqual({ tokens: 212, exact: true, tokensPerSecond: 41, firstTokenMs: 38, contextUsed: 215 });
  });

  it('has no numbers before the first token', () => {
    expect(new Answer(0).stats()).toBeUndefined();
  });
});
