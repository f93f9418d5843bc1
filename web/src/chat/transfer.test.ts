import { describe, expect, it } from 'vitest';
import { fileName, fromJson, toJson, toMarkdown, type Transfer } from './transfer';
import { shownPath } from './tree';
import type { Messages } from './types';

// The words on the page, after a file was read.
function shown({ chats, messages }: Transfer, at = 0): string[] {
  const chat = chats[at]!;
  const own: Messages = Object.fromEntries(messages.filter((m) => m.chatId === chat.id).map((m) => [m.id, m]));
  return shownPath(chat, own).map(({ message, siblings }) => `${message.role}:${message.content}:${siblings.length}`);
}

const kChats: Transfer = {
  chats: [{ id: 'c', title: 'Owls', createdAt: 1, updatedAt: 5, chosen: { q: 'a2' }, pinned: true, settings: { temperature: 0, system: 'x' } }],
  messages: [
    { id: 'q', chatId: 'c', parent: 'root', role: 'user', content: 'Why?', createdAt: 1, state: 'done', files: [{ name: 'n.txt', text: 'hi' }] },
    { id: 'a1', chatId: 'c', parent: 'q', role: 'assistant', content: 'No.', createdAt: 2, state: 'done' },
    { id: 'a2', chatId: 'c', parent: 'q', role: 'assistant', content: 'Yes.', createdAt: 3, state: 'done', thought: 'hm', model: 'owlet' },
    { id: 'a3', chatId: 'c', parent: 'q', role: 'assistant', content: 'Maybe.', createdAt: 4, state: 'done' },
  ],
};

describe('fromJson', () => {
  it('reads what toJson wrote, under new names', () => {
    const read = fromJson(toJson(kChats))!;
    expect(shown(read)).toEqual(['user:Why?:1', 'assistant:Yes.:3']);
    expect(read.chats[0]).toMatchObject({ title: 'Owls', pinned: true, settings: { temperature: 0, system: 'x' } });
    expect(read.messages.find((m) => m.content === 'Yes.')).toMatchObject({ thought: 'hm', model: 'owlet' });
    expect(read.messages[0]?.files).toEqual([{ name: 'n.txt', text: 'hi' }]);
    expect(read.messages.map((m) => m.id)).not.toContain('q');
  });

  it('reads ChatGPT’s export', () => {
    const message = (role: string, text: string, at: number): object => ({ author: { role }, create_time: at, content: { content_type: 'text', parts: [text] } });
    const read = fromJson(JSON.stringify([{
      title: 'Lima', create_time: 1_700_000_000, current_node: 'b2',
      mapping: {
        root: { id: 'root', message: null, parent: null, children: ['s'] },
        s: { id: 's', message: message('system', '', 1), parent: 'root', children: ['a'] },
        a: { id: 'a', message: message('user', 'Capital of Peru?', 2), parent: 's', children: ['t'] },
        t: { id: 't', message: { author: { role: 'tool' }, content: { content_type: 'code', text: 'x' } }, parent: 'a', children: ['b1', 'b2'] },
        b1: { id: 'b1', message: message('assistant', 'Quito', 3), parent: 't', children: [] },
        b2: { id: 'b2', message: message('assistant', 'Lima', 4), parent: 't', children: [] },
        b3: { id: 'b3', message: message('assistant', 'La Paz', 5), parent: 't', children: [] },
      },
    }]))!;
    expect(read.chats[0]?.title).toBe('Lima');
    expect(shown(read)).toEqual(['user:Capital of Peru?:1', 'assistant:Lima:3']);
  });

  it('reads Open WebUI’s export', () => {
    const read = fromJson(JSON.stringify([{
      id: 'x', title: 'Hi', pinned: true, updated_at: 1_700_000_000,
      chat: { title: 'Hi', history: { currentId: 'b', messages: {
        a: { id: 'a', parentId: null, childrenIds: ['b', 'c'], role: 'user', content: 'Hello', timestamp: 1 },
        b: { id: 'b', parentId: 'a', role: 'assistant', content: 'Hi!', model: 'm', timestamp: 2 },
        c: { id: 'c', parentId: 'a', role: 'assistant', content: 'Yo!', timestamp: 3 },
      } } },
    }]))!;
    expect(read.chats[0]).toMatchObject({ title: 'Hi', pinned: true, updatedAt: 1_700_000_000_000 });
    expect(shown(read)).toEqual(['user:Hello:1', 'assistant:Hi!:2']);
  });

  it.each(['{}', '[]', 'null', '7', '[{"mapping":{"a":{"message":{}}}}]', '{"format":"owlet-chats","chats":[{}],"messages":[7]}', '[{"chat":{"history":{"messages":[]}}}]'])(
    'finds no chats in %s', (text) => expect(fromJson(text)).toBeNull());

  it('ends with parents that go in circles', () => {
    const read = fromJson('[{"current_node":"a","mapping":{"a":{"parent":"b","message":{"author":{"role":"user"},"content":{"parts":["x"]}}},"b":{"parent":"a"}}}]');
    expect(read?.messages).toHaveLength(1);
  });
});

describe('toMarkdown', () => {
  it('writes the branch on the page, with files and without thoughts', () => {
    const chat = kChats.chats[0]!;
    const path = shownPath(chat, Object.fromEntries(kChats.messages.map((m) => [m.id, m])));
    expect(toMarkdown(chat.title, path, { you: 'You', answer: 'Answer' }))
      .toBe('# Owls\n\n**You**\n\nn.txt\n```\nhi\n```\n\nWhy?\n\n**owlet**\n\nYes.\n');
  });
});

describe('fileName', () => {
  it.each([['Who? ../../x', 'Who-x.md'], ['¿Qué?', 'Qué.md'], ['///', 'chat.md'], ['你好', '你好.md']])('%s → %s', (title, name) => expect(fileName(title, 'md')).toBe(name));
});
