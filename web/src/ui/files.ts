// Files that come into the page and leave it.

import { fileName, fromJson, kMaxFileBytes, toJson, toMarkdown } from '../chat/transfer';
import { shownPath } from '../chat/tree';
import type { Store } from '../chat/store';
import type { Chat, TextFile } from '../chat/types';
import { text } from '../text';

export const kMaxTextBytes = 1024 * 1024;

// A text file's content, or the sentence why it is none.
export async function readTextFile(file: File): Promise<TextFile | string> {
  if (file.size > kMaxTextBytes) return text.tooBig(file.name, text.bytes(kMaxTextBytes));
  try {
    const words = new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer());
    return words.includes('\0') ? text.notText(file.name) : { name: file.name, text: words };
  } catch {
    return text.notText(file.name);
  }
}

export function pickFiles(accept: string, multiple: boolean, onFiles: (files: File[]) => void): void {
  const field = document.createElement('input');
  field.type = 'file';
  field.accept = accept;
  field.multiple = multiple;
  field.onchange = () => onFiles([...(field.files ?? [])]);
  field.click();
}

// Reads chats from a file; returns what to tell about it.
export async function importChats(store: Store, file: File): Promise<string> {
  if (file.size > kMaxFileBytes) return text.tooBig(file.name, text.bytes(kMaxFileBytes));
  try {
    const found = fromJson(await file.text());
    if (!found) return text.readNothing;
    await store.take(found);
    return text.readChats(found.chats.length);
  } catch {
    return text.readNothing;
  }
}

export async function saveJson(store: Store, chat?: Chat): Promise<void> {
  save(fileName(chat?.title ?? text.chats, 'json'), 'application/json', toJson(await store.everything(chat?.id)));
}

export async function markdownOf(store: Store, chat: Chat): Promise<string> {
  const { messages } = await store.everything(chat.id);
  return toMarkdown(chat.title, shownPath(chat, Object.fromEntries(messages.map((m) => [m.id, m]))), { you: text.you, answer: text.answer });
}

export async function saveMarkdown(store: Store, chat: Chat): Promise<void> {
  save(fileName(chat.title, 'md'), 'text/markdown', await markdownOf(store, chat));
}

function save(name: string, type: string, content: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
