// Chats as files. Written: this page's own JSON, and Markdown for people. Read: that JSON, and the exports of ChatGPT
// (conversations.json) and of Open WebUI. What a file says is checked field by field, and every chat and message gets a new
// name, so that no file can overwrite what is here.

import { newId } from './store';
import { changesFrom } from './settings';
import { titleFrom, withFiles, type Shown } from './tree';
import { kRoot, type Chat, type Message, type TextFile } from './types';

export interface Transfer {
  chats: Chat[];
  messages: Message[];
}

type Json = Record<string, unknown>;

export const kMaxFileBytes = 256 * 1024 * 1024;
const kMaxMessages = 1_000_000;
const kFormat = 'owlet-chats';

export function toJson({ chats, messages }: Transfer): string {
  return JSON.stringify({ format: kFormat, version: 1, chats, messages });
}

// The branch of a chat that is on the page. Thoughts stay out of it, as they do when an answer is copied.
export function toMarkdown(title: string, path: readonly Shown[], names: { you: string; answer: string }): string {
  const turns = path.filter(({ message }) => withFiles(message) !== '');
  return [`# ${title}`, ...turns.map(({ message }) => {
    const name = message.role === 'user' ? names.you : message.model ?? names.answer;
    return `**${name}**\n\n${withFiles(message)}`;
  })].join('\n\n') + '\n';
}

// A name that every system takes, from a title in any script.
export function fileName(title: string, ending: string): string {
  const safe = title.normalize('NFC').replace(/[^\p{L}\p{N}\p{M} _-]/gu, '').trim().replace(/\s+/g, '-').slice(0, 60);
  return `${safe || 'chat'}.${ending}`;
}

// Throws a SyntaxError for what is not JSON; null for JSON that holds no chats of a form known here.
export function fromJson(text: string): Transfer | null {
  const file: unknown = JSON.parse(text);
  const found: Transfer = { chats: [], messages: [] };
  if (isObject(file) && file.format === kFormat) readOwn(file, found);
  else for (const entry of Array.isArray(file) ? (file as unknown[]) : [file]) readForeign(entry, found);
  return found.chats.length === 0 || found.messages.length > kMaxMessages ? null : found;
}

// ── this page's own ──────────────────────────────────────────────────────────────────────────────────────────────────────

function readOwn(file: Json, found: Transfer): void {
  const entries = list(file.messages).filter(isObject);
  const byChat = new Map<string, Json[]>();
  for (const entry of entries) {
    const chatId = word(entry.chatId);
    byChat.set(chatId, [...(byChat.get(chatId) ?? []), entry]);
  }
  for (const entry of list(file.chats).filter(isObject)) {
    const nodes = (byChat.get(word(entry.id)) ?? []).map((m): Node => ({
      id: word(m.id),
      parent: word(m.parent),
      role: m.role === 'user' ? 'user' : 'assistant',
      content: word(m.content),
      at: count(m.createdAt),
      model: word(m.model) || undefined,
      thought: word(m.thought) || undefined,
      files: list(m.files).filter(isObject).map((f): TextFile => ({ name: word(f.name), text: word(f.text) })),
    }));
    const chosen = isObject(entry.chosen) ? Object.values(entry.chosen).map(word) : [];
    add(found, { title: word(entry.title), at: count(entry.updatedAt), pinned: entry.pinned === true, settings: entry.settings, nodes, chosen });
  }
}

// ── others' ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

function readForeign(entry: unknown, found: Transfer): void {
  if (!isObject(entry)) return;
  if (isObject(entry.mapping)) return readChatGpt(entry, entry.mapping, found);
  const chat = isObject(entry.chat) ? entry.chat : entry;
  if (isObject(chat.history) && isObject(chat.history.messages)) readOpenWebUi(entry, chat, chat.history, found);
}

// A map of nodes; some carry no message, or one that was never shown, and their children move up to the next one that does.
function readChatGpt(entry: Json, mapping: Json, found: Transfer): void {
  const nodes: Node[] = [];
  const parentOf = (id: string): string => word(isObject(mapping[id]) ? mapping[id].parent : '');
  const shown = (id: string): boolean => nodeOf(id) !== null;
  const nodeOf = (id: string): Node | null => {
    const message = isObject(mapping[id]) ? mapping[id].message : null;
    if (!isObject(message) || !isObject(message.author) || !isObject(message.content)) return null;
    const { role } = message.author;
    const content = list(message.content.parts).filter((p): p is string => typeof p === 'string').join('\n');
    if ((role !== 'user' && role !== 'assistant') || content === '' || message.content.content_type === 'thoughts') return null;
    const model = isObject(message.metadata) ? word(message.metadata.model_slug) : '';
    return { id, parent: parentOf(id), role, content, at: 1000 * count(message.create_time), model: model || undefined };
  };
  const line: string[] = [];
  const seen = new Set<string>();
  for (let id = word(entry.current_node); id !== '' && !seen.has(id); id = parentOf(id)) {
    seen.add(id);
    line.push(id);
  }
  for (const id of Object.keys(mapping)) {
    const node = nodeOf(id);
    if (!node) continue;
    for (let steps = 0; node.parent !== '' && !shown(node.parent) && steps < 10_000; steps++) node.parent = parentOf(node.parent);
    nodes.push(node);
  }
  add(found, { title: word(entry.title), at: 1000 * count(entry.update_time ?? entry.create_time), nodes, chosen: line });
}

function readOpenWebUi(entry: Json, chat: Json, history: Json, found: Transfer): void {
  const nodes: Node[] = [];
  for (const [id, m] of Object.entries(history.messages as Json)) {
    if (!isObject(m) || (m.role !== 'user' && m.role !== 'assistant')) continue;
    nodes.push({ id, parent: word(m.parentId), role: m.role, content: word(m.content), at: 1000 * count(m.timestamp), model: word(m.model) || undefined });
  }
  const parents = new Map(nodes.map((n) => [n.id, n.parent]));
  const line: string[] = [];
  for (let id: string | undefined = word(history.currentId); id && parents.has(id) && line.length <= nodes.length; id = parents.get(id)) line.push(id);
  add(found, { title: word(chat.title) || word(entry.title), at: 1000 * count(entry.updated_at ?? entry.created_at), pinned: entry.pinned === true, nodes, chosen: line });
}

// ── into chats ───────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Node {
  id: string;
  parent: string;
  role: 'user' | 'assistant';
  content: string;
  at: number;
  model?: string;
  thought?: string;
  files?: TextFile[];
}

interface Found {
  title: string;
  at: number;       // ms; 0: unknown
  pinned?: boolean;
  settings?: unknown;
  nodes: Node[];
  chosen: string[]; // ids of the messages that were on the page
}

function add(found: Transfer, { title, at, pinned, settings, nodes, chosen }: Found): void {
  if (nodes.length === 0) return;
  const chatId = newId();
  const ids = new Map(nodes.map((n) => [n.id, newId()]));
  const parents = new Map(nodes.map((n) => [n.id, ids.get(n.parent) ?? kRoot]));
  const now = Date.now();
  nodes.forEach((node, i) => found.messages.push({
    id: ids.get(node.id)!,
    chatId,
    parent: parents.get(node.id)!,
    role: node.role,
    content: node.content,
    createdAt: node.at || now + i,
    state: 'done',
    ...(node.model ? { model: node.model } : {}),
    ...(node.thought ? { thought: node.thought, thoughtMs: 0 } : {}),
    ...(node.files && node.files.length > 0 ? { files: node.files } : {}),
  }));
  const first = nodes.find((n) => n.role === 'user') ?? nodes[0]!;
  found.chats.push({
    id: chatId,
    title: (title.trim() || titleFrom(first.content)).slice(0, 200),
    createdAt: at || now,
    updatedAt: at || now,
    chosen: Object.fromEntries(chosen.filter((id) => ids.has(id)).map((id) => [parents.get(id)!, ids.get(id)!])),
    ...(pinned ? { pinned } : {}),
    ...(settings ? { settings: changesFrom(settings) } : {}),
  });
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}

function word(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0;
}
