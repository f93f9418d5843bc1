// Where chats are kept: IndexedDB, with two stores. `chats` holds one record a chat, `messages` one a message. A handful of
// kinds of access do not need a library.

import type { Chat, Message } from './types';

export interface Archive {
  chats(): Promise<Chat[]>;
  messages(chatId: string): Promise<Message[]>;
  saveChat(chat: Chat): Promise<void>;  // merged with what another tab kept meanwhile
  saveMessage(message: Message): Promise<void>;
  saveAll(chats: readonly Chat[], messages: readonly Message[]): Promise<void>;  // all of it or nothing
  removeChat(chatId: string): Promise<void>;  // and its messages
  // For each chat with the words in a message, the newest such message.
  find(words: string): Promise<Map<string, Message>>;
}

export async function openArchive(name = 'owlet'): Promise<Archive> {
  try {
    return new IndexedDbArchive(await open(name));
  } catch {
    return new MemoryArchive();  // private windows of some browsers: chats live as long as the page
  }
}

// Two tabs may choose branches in one chat at the same time: neither choice is lost, and the later word on the rest holds.
export function mergeChats(kept: Chat | undefined, mine: Chat): Chat {
  if (!kept) return mine;
  return { ...mine, chosen: { ...kept.chosen, ...mine.chosen }, updatedAt: Math.max(kept.updatedAt, mine.updatedAt) };
}

class IndexedDbArchive implements Archive {
  constructor(private readonly db: IDBDatabase) {}

  chats(): Promise<Chat[]> {
    return result(this.db.transaction('chats').objectStore('chats').getAll() as IDBRequest<Chat[]>);
  }

  messages(chatId: string): Promise<Message[]> {
    const index = this.db.transaction('messages').objectStore('messages').index('chatId');
    return result(index.getAll(chatId) as IDBRequest<Message[]>);
  }

  saveChat(chat: Chat): Promise<void> {
    return this.write(['chats'], (t) => {
      const store = t.objectStore('chats');
      const kept = store.get(chat.id) as IDBRequest<Chat | undefined>;
      kept.onsuccess = () => store.put(mergeChats(kept.result, chat));
    });
  }

  saveMessage(message: Message): Promise<void> {
    return this.write(['messages'], (t) => t.objectStore('messages').put(message));
  }

  saveAll(chats: readonly Chat[], messages: readonly Message[]): Promise<void> {
    return this.write(['chats', 'messages'], (t) => {
      for (const chat of chats) t.objectStore('chats').put(chat);
      for (const message of messages) t.objectStore('messages').put(message);
    });
  }

  removeChat(chatId: string): Promise<void> {
    return this.write(['chats', 'messages'], (t) => {
      t.objectStore('chats').delete(chatId);
      const store = t.objectStore('messages');
      const keys = store.index('chatId').getAllKeys(chatId);
      keys.onsuccess = () => keys.result.forEach((key) => store.delete(key));
    });
  }

  find(words: string): Promise<Map<string, Message>> {
    const found = new Map<string, Message>();
    const request = this.db.transaction('messages').objectStore('messages').openCursor();
    return new Promise((resolve, reject) => {
      request.onerror = () => reject(request.error ?? new Error('the browser refused its storage'));
      request.onsuccess = () => {
        const cursor = request.result;
        if (!cursor) return resolve(found);
        keepIfNewer(found, cursor.value as Message, words);
        cursor.continue();
      };
    });
  }

  private write(stores: string[], work: (transaction: IDBTransaction) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const transaction = this.db.transaction(stores, 'readwrite');
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error('the browser could not keep the chat'));
      work(transaction);
    });
  }
}

export class MemoryArchive implements Archive {
  private readonly kept = new Map<string, Chat>();
  private readonly keptMessages = new Map<string, Message>();

  async chats(): Promise<Chat[]> {
    return [...this.kept.values()];
  }
  async messages(chatId: string): Promise<Message[]> {
    return [...this.keptMessages.values()].filter((m) => m.chatId === chatId);
  }
  async saveChat(chat: Chat): Promise<void> {
    this.kept.set(chat.id, mergeChats(this.kept.get(chat.id), chat));
  }
  async saveMessage(message: Message): Promise<void> {
    this.keptMessages.set(message.id, message);
  }
  async saveAll(chats: readonly Chat[], messages: readonly Message[]): Promise<void> {
    for (const chat of chats) this.kept.set(chat.id, chat);
    for (const message of messages) this.keptMessages.set(message.id, message);
  }
  async removeChat(chatId: string): Promise<void> {
    this.kept.delete(chatId);
    for (const message of await this.messages(chatId)) this.keptMessages.delete(message.id);
  }
  async find(words: string): Promise<Map<string, Message>> {
    const found = new Map<string, Message>();
    for (const message of this.keptMessages.values()) keepIfNewer(found, message, words);
    return found;
  }
}

function keepIfNewer(found: Map<string, Message>, message: Message, words: string): void {
  if (!message.content.toLowerCase().includes(words.toLowerCase())) return;
  const before = found.get(message.chatId);
  if (!before || before.createdAt < message.createdAt) found.set(message.chatId, message);
}

function open(name: string): Promise<IDBDatabase> {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore('chats', { keyPath: 'id' });
    request.result.createObjectStore('messages', { keyPath: 'id' }).createIndex('chatId', 'chatId');
  };
  return result(request);
}

function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('the browser refused its storage'));
  });
}
