import { describe, expect, it } from 'vitest';
import { ancestry, cutPoint, shownPath, titleFrom, turnsFor } from './tree';
import { kRoot, type Chat, type Message, type Messages } from './types';

const chat: Chat = { id: 'c', title: '', createdAt: 0, updatedAt: 0, chosen: {} };

function tree(...rows: [id: string, parent: string, content: string][]): Messages {
  const messages: Record<string, Message> = {};
  rows.forEach(([id, parent, content], i) => {
    messages[id] = { id, chatId: 'c', parent, role: id.startsWith('q') ? 'user' : 'assistant', content, createdAt: i, state: 'done' };
  });
  return messages;
}

const kTree = tree(['q1', kRoot, 'one'], ['a1', 'q1', 'first'], ['a1b', 'q1', 'second'], ['q2', 'a1', 'two'], ['q1b', kRoot, 'uno']);
const idsOf = (path: { message: Message }[]): string[] => path.map((p) => p.message.id);

describe('shownPath', () => {
  it('takes the newest child where none was chosen', () => {
    expect(idsOf(shownPath(chat, kTree))).toEqual(['q1b']);
  });

  it('follows what was chosen, and names the siblings', () => {
    const path = shownPath({ ...chat, chosen: { [kRoot]: 'q1', q1: 'a1' } }, kTree);
    expect(idsOf(path)).toEqual(['q1', 'a1', 'q2']);
    expect(path[1]?.siblings).toEqual(['a1', 'a1b']);
  });

  it('survives choices that do not exist, and loops', () => {
    expect(idsOf(shownPath({ ...chat, chosen: { [kRoot]: 'gone' } }, kTree))).toEqual(['q1b']);
    const loop = { ...tree(['q1', kRoot, ''], ['a1', 'q1', '']) };
    loop.q1 = { ...loop.q1!, parent: 'a1' };
    expect(shownPath(chat, loop)).toEqual([]);
    expect(ancestry(loop, 'a1')).toHaveLength(2);
  });
});

describe('turnsFor', () => {
  it('sends the line to the question, without thoughts and other branches', () => {
    const messages = { ...kTree, a1: { ...kTree.a1!, thought: 'secret' } };
    expect(turnsFor(chat, messages, 'q2', '')).toEqual([
      { role: 'user', content: 'one' }, { role: 'assistant', content: 'first' }, { role: 'user', content: 'two' },
    ]);
  });

  it('begins with the system prompt', () => {
    expect(turnsFor(chat, kTree, 'q1', 'Be brief.')[0]).toEqual({ role: 'system', content: 'Be brief.' });
  });

  it('joins questions around an answer that never came', () => {
    const messages = tree(['q1', kRoot, 'one'], ['a1', 'q1', ''], ['q2', 'a1', 'two']);
    expect(turnsFor(chat, messages, 'q2', '')).toEqual([{ role: 'user', content: 'one\n\ntwo' }]);
  });

  it('forgets a question that was refused', () => {
    const messages = tree(['q1', kRoot, 'one'], ['a1', 'q1', ''], ['q2', 'a1', 'two']);
    const refused = { ...messages, a1: { ...messages.a1!, state: 'failed' as const } };
    expect(turnsFor(chat, refused, 'q2', '')).toEqual([{ role: 'user', content: 'two' }]);
  });

  it('leaves out what no longer fits', () => {
    expect(turnsFor({ ...chat, sendFrom: 'q2' }, kTree, 'q2', '')).toEqual([{ role: 'user', content: 'two' }]);
  });

  it('sends everything on a branch that the cut is not on', () => {
    expect(turnsFor({ ...chat, sendFrom: 'q2' }, kTree, 'q1b', '')).toEqual([{ role: 'user', content: 'uno' }]);
  });
});

describe('cutPoint', () => {
  const rows: [string, string, string][] = [];
  for (let i = 0; i < 10; i++) rows.push([`q${i}`, i === 0 ? kRoot : `a${i - 1}`, 'x'.repeat(50)], [`a${i}`, `q${i}`, 'x'.repeat(50)]);
  const messages = tree(...rows.slice(0, -1));

  it('keeps about the share it was told, from a question on', () => {
    expect(cutPoint(chat, messages, 'q9', 0.5)).toBe('q5');
  });

  it('keeps at least the last question', () => {
    expect(cutPoint(chat, messages, 'q9', 0)).toBe('q9');
  });

  it('moves on from an earlier cut', () => {
    expect(cutPoint({ ...chat, sendFrom: 'q5' }, messages, 'q9', 0.5)).toBe('q8');
  });

  it('gives up where the last question stands alone', () => {
    expect(cutPoint(chat, messages, 'q0', 0.5)).toBeNull();
    expect(cutPoint({ ...chat, sendFrom: 'q9' }, messages, 'q9', 0.5)).toBeNull();
  });
});

describe('titleFrom', () => {
  it('takes the first line', () => expect(titleFrom('  What is\tthis?\nMore')).toBe('What is this?'));
  it('cuts at a word', () => expect(titleFrom('word '.repeat(20))).toBe('word word word word word word word word word…'));
  it('cuts a long word', () => expect(titleFrom('x'.repeat(80))).toBe(`${'x'.repeat(48)}…`));
});
