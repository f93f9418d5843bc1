// The page's state, and everything a person can do to it. The views read `state` (a new object after each change) and call
// the methods; nothing else changes it.

import { EngineError, type Engine, type ModelInfo } from '../engine/engine';
import { Answer } from './answer';
import type { Archive } from './archive';
import { Connection, type Link, type Server } from './connection';
import { keep, kept } from './kept';
import { kDefaults, samplingOf, settingsFrom, type Settings } from './settings';
import { cutPoint, shownPath, titleFrom, turnsFor, type Shown } from './tree';
import { kRoot, type Chat, type Message, type Messages } from './types';

export interface State {
  readonly link: Link;
  readonly models: readonly ModelInfo[];
  readonly settings: Settings;
  readonly chats: readonly Chat[];           // the one used last comes first
  readonly currentId: string | null;         // null: a chat that has not begun
  readonly messages: Readonly<Record<string, Messages>>;  // of the chats that were opened
  readonly removed: Chat | null;             // deleted a moment ago, and can come back
}

export interface StoreOptions {
  archive: Archive;
  server: Server;
  engineFor: (server: Server) => Engine;
  now?: () => number;                        // a monotonic clock, for what the answer took
  nextFrame?: (work: () => void) => void;    // when arriving text is put on the page
}

const kSaveMs = 1000;  // how much of an arriving answer a closed page may lose

export class Store {
  state: State;
  readonly connection: Connection;
  private readonly archive: Archive;
  private readonly listeners = new Set<() => void>();
  private readonly running = new Map<string, AbortController>();  // by message id
  private readonly now: () => number;
  private readonly nextFrame: (work: () => void) => void;

  constructor(options: StoreOptions) {
    this.archive = options.archive;
    this.now = options.now ?? (() => performance.now());
    this.nextFrame = options.nextFrame ?? onNextFrame;
    this.connection = new Connection(options.server, options.engineFor, () => this.onLink());
    this.state = {
      link: this.connection.link,
      models: [],
      settings: settingsFrom(kept('settings')),
      chats: [],
      currentId: null,
      messages: {},
      removed: null,
    };
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  snapshot = (): State => this.state;

  async start(chatId: string | null): Promise<void> {
    void this.connection.check();
    const chats = await this.archive.chats().catch(() => []);
    this.set({ chats: chats.sort((a, b) => b.updatedAt - a.updatedAt) });
    await this.open(chatId);
  }

  // ── chats ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  async open(chatId: string | null): Promise<void> {
    if (chatId !== null && !this.chat(chatId)) chatId = null;
    if (chatId !== null && !this.state.messages[chatId]) {
      const found = await this.archive.messages(chatId).catch(() => []);
      // What was still arriving when the page was closed has stopped.
      const messages = found.map((m) => (m.state === 'streaming' || m.state === 'waiting' ? { ...m, state: 'stopped' as const, thoughtMs: m.thoughtMs ?? 0 } : m));
      this.set({ messages: { ...this.state.messages, [chatId]: Object.fromEntries(messages.map((m) => [m.id, m])) } });
    }
    this.set({ currentId: chatId });
  }

  rename(chatId: string, title: string): void {
    const chat = this.chat(chatId);
    if (chat && title.trim() !== '') this.putChat({ ...chat, title: title.trim().slice(0, 200) });
  }

  remove(chatId: string): void {
    const chat = this.chat(chatId);
    if (!chat) return;
    this.forgetRemoved();
    for (const message of Object.values(this.state.messages[chatId] ?? {})) this.stop(message.id);
    this.set({
      chats: this.state.chats.filter((c) => c.id !== chatId),
      currentId: this.state.currentId === chatId ? null : this.state.currentId,
      removed: chat,
    });
  }

  restore(): void {
    const chat = this.state.removed;
    if (!chat) return;
    this.set({ chats: [...this.state.chats, chat].sort((a, b) => b.updatedAt - a.updatedAt), removed: null });
  }

  // Until this is called a deleted chat is only hidden.
  forgetRemoved(): void {
    const chat = this.state.removed;
    if (!chat) return;
    const { [chat.id]: _gone, ...messages } = this.state.messages;
    this.set({ removed: null, messages });
    void this.archive.removeChat(chat.id).catch(() => undefined);
  }

  shown(): Shown[] {
    const chat = this.chat(this.state.currentId);
    return chat ? shownPath(chat, this.state.messages[chat.id] ?? {}) : [];
  }

  // ── turns ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  send(text: string): void {
    if (text.trim() === '') return;
    const chat = this.chat(this.state.currentId) ?? this.begin(text);
    const path = this.shown();
    this.ask(chat, path[path.length - 1]?.message.id ?? kRoot, text);
  }

  // Asks an edited question beside the old one.
  edit(messageId: string, text: string): void {
    const message = this.message(messageId);
    const chat = message && this.chat(message.chatId);
    if (chat && text.trim() !== '') this.ask(chat, message.parent, text);
  }

  // Another answer beside the old one.
  regenerate(messageId: string): void {
    const message = this.message(messageId);
    const chat = message && this.chat(message.chatId);
    if (chat && message.role === 'assistant') this.answer(chat, message.parent);
  }

  choose(messageId: string): void {
    const message = this.message(messageId);
    const chat = message && this.chat(message.chatId);
    if (chat) this.putChat({ ...chat, chosen: { ...chat.chosen, [message.parent]: messageId } });
  }

  stop(messageId: string): void {
    this.running.get(messageId)?.abort();
    const message = this.message(messageId);
    if (message?.state === 'waiting') this.putMessage({ ...message, state: 'stopped' }, true);
  }

  // The answer that is arriving in the chat on the page, if any.
  arriving(): Message | null {
    const messages = this.state.messages[this.state.currentId ?? ''] ?? {};
    return Object.values(messages).find((m) => m.state === 'streaming' || m.state === 'waiting') ?? null;
  }

  // After "the chat is too long": stops sending the oldest turns and asks again.
  leaveOutOldest(messageId: string): void {
    const message = this.message(messageId);
    const chat = message && this.chat(message.chatId);
    const cut = chat && this.cutFor(chat, message);
    if (!cut) return;
    this.putChat({ ...chat, sendFrom: cut });
    this.regenerate(messageId);
  }

  canLeaveOut(message: Message): boolean {
    const chat = this.chat(message.chatId);
    return chat !== undefined && this.cutFor(chat, message) !== null;
  }

  // ── settings and server ────────────────────────────────────────────────────────────────────────────────────────────

  change<K extends keyof Settings>(key: K, value: Settings[K]): void {
    const settings = settingsFrom({ ...this.state.settings, [key]: value });
    keep('settings', settings);
    this.set({ settings });
  }

  resetSettings(): void {
    keep('settings', null);
    this.set({ settings: { ...kDefaults, model: this.state.settings.model } });
  }

  useServer(server: Server): Promise<void> {
    keep('server', server.address || server.key ? server : null);
    return this.connection.use(server);
  }

  // The chosen model where the server has it, else its first.
  model(): ModelInfo | undefined {
    return this.state.models.find((m) => m.id === this.state.settings.model) ?? this.state.models[0];
  }

  // ── inside ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  private begin(question: string): Chat {
    const now = Date.now();
    const chat: Chat = { id: newId(), title: titleFrom(question), createdAt: now, updatedAt: now, chosen: {} };
    this.set({ messages: { ...this.state.messages, [chat.id]: {} }, currentId: chat.id });
    this.putChat(chat);
    return chat;
  }

  private ask(chat: Chat, parent: string, text: string): void {
    const question = this.blank(chat, parent, 'user', 'done');
    this.addMessage(chat, { ...question, content: text.trim() });
    this.answer(this.chat(chat.id)!, question.id);
  }

  private answer(chat: Chat, questionId: string): void {
    const message = this.blank(chat, questionId, 'assistant', 'streaming');
    this.addMessage(chat, { ...message, model: this.model()?.id });
    void this.run(message.id);
  }

  // Asks the engine and follows its answer to the end.
  private async run(id: string): Promise<void> {
    const message = this.message(id)!;
    const chat = this.chat(message.chatId)!;
    const controller = new AbortController();
    this.running.set(id, controller);
    const answer = new Answer(this.now());
    let drawn = true;
    let savedAt = this.now();
    const draw = (): void => {
      drawn = true;
      if (this.running.get(id) !== controller) return;
      const save = this.now() - savedAt > kSaveMs;
      if (save) savedAt = this.now();
      this.putMessage({ ...this.message(id)!, ...partOf(answer) }, save);
    };
    let state: Message['state'] = 'stopped';
    let failure: Message['failure'];
    try {
      const { settings, messages } = this.state;
      const request = {
        model: this.model()?.id ?? settings.model,
        messages: turnsFor(chat, messages[chat.id] ?? {}, message.parent, settings.system),
        ...samplingOf(settings),
      };
      for await (const event of this.connection.engine.chat(request, controller.signal)) {
        answer.take(event, this.now());
        if (drawn) {
          drawn = false;
          this.nextFrame(draw);
        }
      }
      if (!controller.signal.aborted) state = answer.reason === 'length' ? 'length' : 'done';
    } catch (error) {
      const met = error instanceof EngineError ? error : new EngineError('lost', String(error));
      if (['unreachable', 'unauthorized', 'lost'].includes(met.kind)) this.connection.failed(met);
      failure = { kind: met.kind, message: met.message };
      // Nothing was lost if the question never arrived: it is asked again when the server is back.
      state = met.kind === 'unreachable' || met.kind === 'unauthorized' ? 'waiting' : 'failed';
    }
    this.running.delete(id);
    answer.endThought(this.now());
    const now = this.message(id);
    if (now) this.putMessage({ ...now, ...partOf(answer), state, failure, stats: answer.stats() }, true);
  }

  private onLink(): void {
    const { link, models } = this.connection;
    this.set({ link, models });
    if (link.state !== 'ready') return;
    for (const messages of Object.values(this.state.messages)) {
      for (const message of Object.values(messages)) {
        if (message.state !== 'waiting') continue;
        this.putMessage({ ...message, state: 'streaming', failure: undefined, model: this.model()?.id }, false);
        void this.run(message.id);
      }
    }
  }

  private cutFor(chat: Chat, message: Message): string | null {
    // The server names both numbers; aim at three quarters of the context, to leave room for the answer.
    const [needed, limit] = countsIn(message.failure?.message ?? '');
    const keepShare = needed && limit && needed > limit ? (0.75 * limit) / needed : 0.5;
    return cutPoint(chat, this.state.messages[chat.id] ?? {}, message.parent, keepShare);
  }

  private blank(chat: Chat, parent: string, role: Message['role'], state: Message['state']): Message {
    const newest = Math.max(0, ...Object.values(this.state.messages[chat.id] ?? {}).map((m) => m.createdAt));
    // Siblings are ordered by this, so it must grow even when the clock stands still or jumps back.
    return { id: newId(), chatId: chat.id, parent, role, content: '', createdAt: Math.max(Date.now(), newest + 1), state };
  }

  private addMessage(chat: Chat, message: Message): void {
    this.putMessage(message, true);
    const fresh = this.chat(chat.id)!;
    this.putChat({ ...fresh, updatedAt: Date.now(), chosen: { ...fresh.chosen, [message.parent]: message.id } });
  }

  private putMessage(message: Message, save: boolean): void {
    const { messages } = this.state;
    if (!messages[message.chatId]) return;  // the chat was deleted meanwhile
    this.set({ messages: { ...messages, [message.chatId]: { ...messages[message.chatId], [message.id]: message } } });
    if (save) void this.archive.saveMessage(message).catch(() => undefined);
  }

  private putChat(chat: Chat): void {
    const others = this.state.chats.filter((c) => c.id !== chat.id);
    this.set({ chats: [...others, chat].sort((a, b) => b.updatedAt - a.updatedAt) });
    void this.archive.saveChat(chat).catch(() => undefined);
  }

  private chat(id: string | null): Chat | undefined {
    return this.state.chats.find((c) => c.id === id);
  }

  private message(id: string): Message | undefined {
    for (const messages of Object.values(this.state.messages)) if (messages[id]) return messages[id];
    return undefined;
  }

  private set(change: Partial<State>): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.listeners) listener();
  }
}

// The two numbers of "prompt has 1,300 tokens, the context holds 1,024", larger first.
export function countsIn(message: string): [number, number] | [] {
  const numbers = (message.match(/\d[\d,]*/g) ?? []).map((n) => Number(n.replaceAll(',', ''))).filter((n) => n >= 16);
  if (numbers.length < 2) return [];
  return [Math.max(...numbers), Math.min(...numbers)];
}

function partOf(answer: Answer): Pick<Message, 'content' | 'thought' | 'thoughtMs'> {
  return { content: answer.text, thought: answer.thought || undefined, thoughtMs: answer.thoughtMs() };
}

// crypto.randomUUID is missing on plain http, where a server in the local network may well be.
function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// A hidden page gets no frames, but its answers go on.
function onNextFrame(work: () => void): void {
  if (document.hidden) setTimeout(work, 250);
  else requestAnimationFrame(work);
}
