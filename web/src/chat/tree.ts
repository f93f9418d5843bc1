// Walking a chat's tree. Pure functions; every one survives a damaged tree (missing parents, loops).

import type { ChatTurn } from '../engine/engine';
import { kRoot, type Chat, type Message, type Messages, type TextFile } from './types';

// Children of each message, oldest first.
export function childrenOf(messages: Messages): Map<string, Message[]> {
  const children = new Map<string, Message[]>();
  for (const message of Object.values(messages)) {
    const siblings = children.get(message.parent);
    if (siblings) siblings.push(message);
    else children.set(message.parent, [message]);
  }
  for (const siblings of children.values()) siblings.sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  return children;
}

export interface Shown {
  message: Message;
  siblings: string[];  // ids, this one included
}

// The messages on the page, first to last: at each step the chosen child, else the newest.
export function shownPath(chat: Chat, messages: Messages): Shown[] {
  const children = childrenOf(messages);
  const path: Shown[] = [];
  const seen = new Set<string>();
  for (let at = kRoot; ; ) {
    const siblings = children.get(at);
    const last = siblings?.[siblings.length - 1];
    if (!siblings || !last) return path;
    const message = siblings.find((m) => m.id === chat.chosen[at]) ?? last;
    if (seen.has(message.id)) return path;
    seen.add(message.id);
    path.push({ message, siblings: siblings.map((m) => m.id) });
    at = message.id;
  }
}

// From the first message to `id`, both included.
export function ancestry(messages: Messages, id: string): Message[] {
  const line: Message[] = [];
  const seen = new Set<string>();
  for (let message = messages[id]; message && !seen.has(message.id); message = messages[message.parent]) {
    seen.add(message.id);
    line.push(message);
  }
  return line.reverse();
}

// What is sent to the model for an answer to the question `id`: the system prompt, then the turns. Thoughts stay here.
// A question that was refused is not asked again with the next one. One whose answer was stopped before it began is: the two
// are joined, since chat templates expect questions and answers in turn.
export function turnsFor(chat: Chat, messages: Messages, id: string, system: string): ChatTurn[] {
  const line = ancestry(messages, id);
  const start = Math.max(0, line.findIndex((m) => m.id === chat.sendFrom));
  const turns: ChatTurn[] = system.trim() ? [{ role: 'system', content: system }] : [];
  for (let i = start; i < line.length; i++) {
    const { role } = line[i]!;
    const content = withFiles(line[i]!);
    const answer = line[i + 1];
    if (content.trim() === '' || (answer?.state === 'failed' && answer.content === '')) continue;
    const last = turns[turns.length - 1];
    if (last && last.role === 'user' && role === 'user') last.content += `\n\n${content}`;
    else turns.push({ role, content });
  }
  return turns;
}

// A question and the files sent with it, each in a fence longer than any inside.
export function withFiles({ content, files }: { content: string; files?: TextFile[] }): string {
  const fenced = (files ?? []).map(({ name, text }) => {
    const longest = Math.max(2, ...(text.match(/`{3,}/g) ?? []).map((run) => run.length));
    const fence = '`'.repeat(longest + 1);
    return `${name}\n${fence}\n${text.replace(/\n$/, '')}\n${fence}`;
  });
  return [...fenced, content].filter((part) => part.trim() !== '').join('\n\n');
}

// Which question should be the first one sent, so that the chat takes about `keep` (0…1) of what it takes now. Tokens are
// taken to be spread evenly over the characters. Null: nothing can be left out, the last question stands alone.
export function cutPoint(chat: Chat, messages: Messages, id: string, keep: number): string | null {
  const line = ancestry(messages, id);
  const sent = line.slice(Math.max(0, line.findIndex((m) => m.id === chat.sendFrom)));
  const allowed = sent.reduce((sum, m) => sum + withFiles(m).length, 0) * keep;
  let length = 0;
  let cut: string | null = null;
  for (let i = sent.length - 1; i > 0; i--) {
    const message = sent[i]!;
    length += withFiles(message).length;
    if (message.role !== 'user') continue;
    if (cut !== null && length > allowed) break;
    cut = message.id;
  }
  return cut;
}

// The first line of the first question, cut at a word.
export function titleFrom(question: string): string {
  const line = question.trim().split('\n', 1)[0]!.replace(/\s+/g, ' ').trim();
  if (line.length <= 48) return line;
  const cut = line.slice(0, 48);
  const space = cut.lastIndexOf(' ');
  return `${space > 24 ? cut.slice(0, space) : cut}…`;
}
