// What one tab of the page tells the others, so that all of them show one chat alike. It is told after it was kept: a tab
// that opens the chat later reads it from the archive.

import type { Chat, Message } from './types';

export type News =
  | { kind: 'chat'; chat: Chat }
  | { kind: 'message'; message: Message }
  | { kind: 'removed'; chatId: string }
  | { kind: 'stop'; messageId: string };  // to the tab in which this answer arrives

export interface Tabs {
  tell(news: News): void;
  onNews: (news: News) => void;
}

export function openTabs(name = 'owlet'): Tabs {
  if (typeof BroadcastChannel === 'undefined') return { tell: () => undefined, onNews: () => undefined };
  const channel = new BroadcastChannel(name);
  const tabs: Tabs = { tell: (news) => channel.postMessage(news), onNews: () => undefined };
  channel.onmessage = (event: MessageEvent<News>) => tabs.onNews(event.data);
  return tabs;
}
