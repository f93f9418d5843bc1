// Where chats are kept: IndexedDB, with two stores. `chats` holds one record a chat, `messages` one a message. Four kinds of
// access do not need a library.

import type { Chat, Message } from './types';

export interface Archive {
  chats(): Promise<Chat[]>;
  messages(chatId: string): Promise<Message[]>;
  saveChat(chat: Chat): Promise<void>;
  saveMessage(message: Message): Promise<void>;
  removeChat(chatId: string): Promise<void>;  // and its messages
}

export async function openArchive(name = 'owlet'): Promise<Archive> {
  try {
    return new IndexedDbArchive(await open(name));
  } catch {
    return new MemoryArchive();  // private windows of some browsers: chats live as long as the page
  }
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
    return this.write(['chats'], (t) => t.objectStore('chats').put(chat));
  }

  saveMessage(message: Message): Promise<void> {
    return this.write(['messages'], (t) => t.objectStore('messages').put(message));
  }

  removeChat(chatId: string): Promise<void> {
    return this.write(['chats', 'messages'], (t) => {
      t.objectStore('chats').delete(chatId);
      const store = t.objectStore('messages');
      const keys = store.index('chatId').getAllKeys(chatId);
      keys.onsuccess = () => keys.result.forEach((key) => store.delete(key));
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
    this.kept.set(chat.id, chat);
  }
  async saveMessage(message: Message): Promise<void> {
    this.keptMessages.set(message.id, message);
  }
  async removeChat(chatId: string): Promise<void> {
    this.kept.delete(chatId);
    for (const message of await this.messages(chatId)) this.keptMessages.delete(message.id);
  }
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
