// The page's state, and everything a person can do to it. The views read `state` (a new object after each change) and call
// the methods; nothing else changes it.

import { apart } from '../apart';
import type { Engine, ModelInfo } from '../engine/engine';
import { mergeChats, type Archive } from './archive';
import { Connection, type Link, type Server } from './connection';
import { keep, kept } from './kept';
import { Runner } from './runner';
import { changesFrom, kDefaults, samplingOf, settingsFrom, type Settings } from './settings';
import type { News, Tabs } from './tabs';
import type { Transfer } from './transfer';
import { cutPoint, shownPath, titleFrom, turnsFor, type Shown } from './tree';
import { kRoot, type Chat, type Message, type Messages, type TextFile } from './types';

export interface State {
  readonly link: Link;
  readonly models: readonly ModelInfo[];
  readonly settings: Settings;               // of every chat that has none of its own
  readonly nextSettings: Partial<Settings>;  // of the chat that has not begun
  readonly chats: readonly Chat[];           // pinned ones first, then the one used last
  readonly currentId: string | null;         // null: a chat that has not begun
  readonly messages: Readonly<Record<string, Messages>>;  // of the chats that were opened
  readonly removed: Chat | null;             // deleted a moment ago, and can come back
}

export interface StoreOptions {
  archive: Archive;
  server: Server;
  engineFor: (server: Server) => Engine;
  tabs?: Tabs;                               // the other tabs of this page
  now?: () => number;                        // a monotonic clock, for what the answer took
  nextFrame?: (work: () => void) => void;    // when arriving text is put on the page
}

export type Scope = 'chat' | 'all';          // what a setting is changed for

export const kMostOpened = 12;  // chats whose messages are held in memory

export class Store {
  state: State;
  readonly connection: Connection;
  readonly archive: Archive;
  private readonly tabs: Tabs | undefined;
  private readonly listeners = new Set<() => void>();
  private readonly runner: Runner;
  private readonly opening = new Map<string, Message[]>();  // news of chats that are being read
  private path: { chat: Chat; messages: Messages; shown: readonly Shown[]; arriving: readonly Message[] } | null = null;

  constructor(options: StoreOptions) {
    this.archive = options.archive;
    this.tabs = options.tabs;
    if (this.tabs) this.tabs.onNews = (news) => this.hear(news);
    this.connection = new Connection(options.server, options.engineFor, () => this.onLink());
    this.runner = new Runner({
      engine: () => this.connection.engine,
      message: (id) => this.message(id),
      put: (message, save) => this.putMessage(message, save),
      request: (message) => this.requestFor(message),
      failed: (error) => this.connection.failed(error),
      slow: () => void this.connection.check(),
      now: options.now ?? (() => performance.now()),
      nextFrame: options.nextFrame ?? onNextFrame,
    });
    this.state = {
      link: this.connection.link,
      models: [],
      settings: settingsFrom(kept('settings')),
      nextSettings: {},
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
    this.set({ chats: inOrder(chats) });
    await this.open(chatId);
  }

  // ── chats ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  async open(chatId: string | null): Promise<void> {
    if (chatId !== null && !this.chat(chatId)) chatId = null;
    if (chatId !== null && !this.state.messages[chatId]) await this.read(chatId);
    this.set({ currentId: chatId });
  }

  pin(chatId: string, pinned: boolean): void {
    const chat = this.chat(chatId);
    if (chat) this.putChat({ ...chat, pinned });
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
    this.set({ chats: inOrder([...this.state.chats, chat]), removed: null });
  }

  // Until this is called a deleted chat is only hidden.
  forgetRemoved(): void {
    const chat = this.state.removed;
    if (!chat) return;
    const { [chat.id]: _gone, ...messages } = this.state.messages;
    this.set({ removed: null, messages });
    void this.archive.removeChat(chat.id).then(() => this.tabs?.tell({ kind: 'removed', chatId: chat.id }), () => undefined);
  }

  // The page is being closed.
  leave(): void {
    this.forgetRemoved();
    for (const id of this.runner.ids()) this.tabs?.tell({ kind: 'message', message: { ...this.message(id)!, state: 'stopped' } });
  }

  shown(): readonly Shown[] {
    return this.onPage()?.shown ?? [];
  }

  // Every chat with all its messages, or the one.
  async everything(chatId?: string): Promise<Transfer> {
    const chats = this.state.chats.filter((c) => chatId === undefined || c.id === chatId);
    const messages = await Promise.all(chats.map((c) => this.archive.messages(c.id)));
    return { chats: [...chats], messages: messages.flat() };
  }

  // Chats that were read from a file; they get names of their own, so that nothing here is overwritten.
  async take({ chats, messages }: Transfer): Promise<void> {
    await this.archive.saveAll(chats, messages);
    this.set({ chats: inOrder([...this.state.chats, ...chats]) });
    for (const chat of chats) this.tabs?.tell({ kind: 'chat', chat });
  }

  // ── turns ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  send(text: string, files: TextFile[] = []): void {
    if (text.trim() === '' && files.length === 0) return;
    const chat = this.chat(this.state.currentId) ?? this.begin(text.trim() || files[0]!.name);
    const path = this.shown();
    this.ask(chat, path[path.length - 1]?.message.id ?? kRoot, text, files);
  }

  // Asks an edited question beside the old one.
  edit(messageId: string, text: string): void {
    const message = this.message(messageId);
    const chat = message && this.chat(message.chatId);
    if (chat && text.trim() !== '') this.ask(chat, message.parent, text, message.files ?? []);
  }

  // Another answer beside the old one.
  regenerate(messageId: string): void {
    const message = this.message(messageId);
    const chat = message && this.chat(message.chatId);
    if (chat && message.role === 'assistant') this.answer(chat, message.parent);
  }

  // Goes on where the answer ended.
  continue(messageId: string): void {
    const message = this.message(messageId);
    if (message?.role !== 'assistant' || message.content === '' || this.runner.has(messageId)) return;
    this.putMessage({ ...message, state: 'streaming', failure: undefined }, true);
    void this.runner.run(messageId);
  }

  // Another answer, which begins with the first `at` tokens of this one and then says `instead`.
  branch(messageId: string, at: number, instead: string): void {
    const message = this.message(messageId);
    const chat = message && this.chat(message.chatId);
    const tokens = message?.tokens;
    if (!chat || !tokens?.[at]) return;
    const content = (tokens.slice(0, at).map((t) => t.text).join('') + instead).trimStart();
    const begun = tokens.slice(0, at + 1);
    begun[at] = { ...tokens[at], text: instead, logprob: tokens[at].top.find((t) => t.text === instead)?.logprob ?? tokens[at].logprob };
    const { thought, thoughtMs, model } = message;
    this.answer(chat, message.parent, { content, tokens: begun, thought, thoughtMs, model });
  }

  choose(messageId: string): void {
    const message = this.message(messageId);
    const chat = message && this.chat(message.chatId);
    if (chat) this.putChat({ ...chat, chosen: { ...chat.chosen, [message.parent]: messageId } });
  }

  stop(messageId: string): void {
    const message = this.message(messageId);
    if (this.runner.has(messageId)) this.runner.stop(messageId);
    else if (message?.state === 'streaming') this.tabs?.tell({ kind: 'stop', messageId });
    else if (message?.state === 'waiting') this.putMessage({ ...message, state: 'stopped' }, true);
  }

  // The answers that are arriving in the chat on the page.
  arriving(): readonly Message[] {
    return this.onPage()?.arriving ?? [];
  }

  // Ids of the chats in which anything arrives, joined, so that equal lists compare equal.
  busyChats(): string {
    return [...new Set(this.runner.ids().map((id) => this.message(id)?.chatId))].sort().join(' ');
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

  // What holds in the chat on the page.
  settings(chat = this.chat(this.state.currentId)): Settings {
    return { ...this.state.settings, ...(chat ? chat.settings : this.state.nextSettings) };
  }

  // What the chat on the page has of its own.
  ownSettings(): Partial<Settings> {
    return (this.state.currentId === null ? this.state.nextSettings : this.chat(this.state.currentId)?.settings) ?? {};
  }

  change<K extends keyof Settings>(key: K, value: Settings[K], scope: Scope = 'all'): void {
    if (scope === 'chat') return this.putOwnSettings({ ...this.ownSettings(), ...changesFrom({ [key]: value }) });
    const settings = settingsFrom({ ...this.state.settings, [key]: value });
    keep('settings', settings);
    this.set({ settings });
  }

  // In a chat: back to what holds for all.
  reset(key: keyof Settings, scope: Scope): void {
    if (scope === 'all') return this.change(key, kDefaults[key]);
    const { [key]: _gone, ...own } = this.ownSettings();
    this.putOwnSettings(own);
  }

  resetSettings(scope: Scope = 'all'): void {
    if (scope === 'chat') return this.putOwnSettings({});
    keep('settings', null);
    this.set({ settings: { ...kDefaults, model: this.state.settings.model } });
  }

  useServer(server: Server): Promise<void> {
    keep('server', server.address || server.key ? server : null);
    return this.connection.use(server);
  }

  // The chosen model where the server has it, else its first.
  model(chat = this.chat(this.state.currentId)): ModelInfo | undefined {
    const { model } = this.settings(chat);
    return this.state.models.find((m) => m.id === model) ?? this.state.models[0];
  }

  // How the text falls into tokens; null where the engine cannot tell.
  async tokenize(text: string, signal?: AbortSignal): Promise<readonly { id: number; text: string }[] | null> {
    return (await this.connection.engine.tokenize?.(text, this.model()?.id ?? '', signal)) ?? null;
  }

  // ── inside ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  // Several views ask for it in each frame, and the chat may be long.
  private onPage(): Store['path'] {
    const chat = this.chat(this.state.currentId);
    const messages = chat && this.state.messages[chat.id];
    if (!messages) return null;
    if (this.path?.chat === chat && this.path.messages === messages) return this.path;
    const shown = shownPath(chat, messages);
    const arriving = shown.flatMap(({ message }) => [message, messages[message.pair ?? '']]).filter(isArriving);
    return (this.path = { chat, messages, shown, arriving });
  }

  private async read(chatId: string): Promise<void> {
    const news: Message[] = [];
    this.opening.set(chatId, news);
    const found = await this.archive.messages(chatId).catch(() => []);
    await apart();  // a long chat takes its time to be read, and to be drawn
    this.opening.delete(chatId);
    // What was still arriving when the page was closed has stopped. If it arrives in another tab, that one will say so.
    const messages = found.map((m) => (m.state === 'streaming' || m.state === 'waiting' ? { ...m, state: 'stopped' as const, thoughtMs: m.thoughtMs ?? 0 } : m));
    this.set({ messages: this.holding(chatId, Object.fromEntries([...messages, ...news].map((m) => [m.id, m]))) });
  }

  // What is held in memory with one more chat: not those that were opened longest ago.
  private holding(chatId: string, messages: Messages): State['messages'] {
    const opened = Object.entries(this.state.messages);
    const busy = this.busyChats();
    const kept = opened.filter(([id], i) => i > opened.length - kMostOpened || id === this.state.currentId || busy.includes(id));
    return { ...Object.fromEntries(kept), [chatId]: messages };
  }

  private begin(question: string): Chat {
    const now = Date.now();
    const chat: Chat = { id: newId(), title: titleFrom(question), createdAt: now, updatedAt: now, chosen: {}, settings: this.state.nextSettings };
    this.set({ messages: this.holding(chat.id, {}), currentId: chat.id, nextSettings: {} });
    this.putChat(chat);
    return chat;
  }

  private ask(chat: Chat, parent: string, text: string, files: TextFile[]): void {
    const question = this.blank(chat, parent, 'user', 'done');
    this.addMessage(chat, { ...question, content: text.trim(), ...(files.length > 0 ? { files } : {}) });
    const { compare } = this.settings(chat);
    const second = this.state.models.find((m) => m.id === compare);
    const first = this.answer(this.chat(chat.id)!, question.id);
    if (!second) return;
    const beside = this.blank(chat, question.id, 'assistant', 'streaming');
    this.putMessage({ ...beside, model: second.id, pair: first }, true);
    this.putMessage({ ...this.message(first)!, pair: beside.id }, true);
    void this.runner.run(beside.id);
  }

  private answer(chat: Chat, questionId: string, begun: Partial<Message> = {}): string {
    const message = this.blank(chat, questionId, 'assistant', 'streaming');
    this.addMessage(chat, { ...message, model: this.model(chat)?.id, ...begun });
    void this.runner.run(message.id);
    return message.id;
  }

  private requestFor(message: Message): Parameters<Engine['chat']>[0] {
    const chat = this.chat(message.chatId)!;
    const settings = this.settings(chat);
    const messages = turnsFor(chat, this.state.messages[chat.id] ?? {}, message.parent, settings.system);
    const model = this.state.models.find((m) => m.id === message.model) ?? this.model(chat);
    const begun = message.content === '' ? [] : [{ role: 'assistant' as const, content: message.content }];
    return {
      model: model?.id ?? settings.model,
      messages: [...messages, ...begun],
      ...samplingOf(settings),
      ...(begun.length > 0 ? { continue_final_message: true, add_generation_prompt: false } : {}),
    };
  }

  private onLink(): void {
    const { link, models } = this.connection;
    this.set({ link, models });
    if (link.state !== 'ready') return;
    for (const messages of Object.values(this.state.messages)) {
      for (const message of Object.values(messages)) {
        if (message.state !== 'waiting') continue;
        this.putMessage({ ...message, state: 'streaming', failure: undefined, model: message.model ?? this.model(this.chat(message.chatId))?.id }, false);
        void this.runner.run(message.id);
      }
    }
  }

  // What another tab did.
  private hear(news: News): void {
    if (news.kind === 'stop') this.runner.stop(news.messageId);
    else if (news.kind === 'chat') this.showChat(mergeChats(this.chat(news.chat.id), news.chat));
    else if (news.kind === 'message') {
      this.opening.get(news.message.chatId)?.push(news.message);
      if (!this.runner.has(news.message.id)) this.showMessage(news.message);
    } else {
      const { [news.chatId]: _gone, ...messages } = this.state.messages;
      const { chats, currentId } = this.state;
      this.set({ chats: chats.filter((c) => c.id !== news.chatId), messages, currentId: currentId === news.chatId ? null : currentId });
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
    if (!this.showMessage(message) || !save) return;
    void this.archive.saveMessage(message).then(() => this.tabs?.tell({ kind: 'message', message }), () => undefined);
  }

  private showMessage(message: Message): boolean {
    const { messages } = this.state;
    if (!messages[message.chatId]) return false;  // the chat was deleted meanwhile
    this.set({ messages: { ...messages, [message.chatId]: { ...messages[message.chatId], [message.id]: message } } });
    return true;
  }

  private putChat(chat: Chat): void {
    this.showChat(chat);
    void this.archive.saveChat(chat).then(() => this.tabs?.tell({ kind: 'chat', chat }), () => undefined);
  }

  private showChat(chat: Chat): void {
    this.set({ chats: inOrder([...this.state.chats.filter((c) => c.id !== chat.id), chat]) });
  }

  private putOwnSettings(own: Partial<Settings>): void {
    const chat = this.chat(this.state.currentId);
    if (chat) this.putChat({ ...chat, settings: own });
    else this.set({ nextSettings: own });
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

function isArriving(message: Message | undefined): message is Message {
  return message?.state === 'streaming' || message?.state === 'waiting';
}

function inOrder(chats: readonly Chat[]): Chat[] {
  return [...chats].sort((a, b) => Number(b.pinned ?? false) - Number(a.pinned ?? false) || b.updatedAt - a.updatedAt);
}

// The two numbers of "prompt has 1,300 tokens, the context holds 1,024", larger first.
export function countsIn(message: string): [number, number] | [] {
  const numbers = (message.match(/\d[\d,]*/g) ?? []).map((n) => Number(n.replaceAll(',', ''))).filter((n) => n >= 16);
  if (numbers.length < 2) return [];
  return [Math.max(...numbers), Math.min(...numbers)];
}

// crypto.randomUUID is missing on plain http, where a server in the local network may well be.
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// A hidden page gets no frames, but its answers go on.
function onNextFrame(work: () => void): void {
  if (document.hidden) setTimeout(work, 250);
  else requestAnimationFrame(work);
}
