// A chat is a tree: editing a question or asking again adds a sibling, and `chosen` says which child of each message is
// on the page. Messages are stored one by one, so that two tabs on one chat never overwrite each other's turns.

import type { FailureKind, Token } from '../engine/engine';
import type { Settings } from './settings';

export const kRoot = 'root';  // stands for "no parent"

export interface Chat {
  id: string;
  title: string;
  createdAt: number;
  updatedAt: number;
  chosen: Record<string, string>;  // message id (or kRoot) → the child that is shown
  sendFrom?: string;               // the first message still sent to the model; earlier ones no longer fit
  pinned?: boolean;
  settings?: Partial<Settings>;    // where this chat differs from all others
}

// streaming: arriving now. waiting: asked, but the server is gone; asked again when it is back.
export type MessageState = 'done' | 'streaming' | 'waiting' | 'stopped' | 'length' | 'failed';

export interface Stats {
  tokens: number;
  exact: boolean;            // false: counted from what arrived, because the answer was stopped
  tokensPerSecond?: number;
  firstTokenMs?: number;
  contextUsed?: number;      // tokens of the prompt and the answer together, as the engine counted them
}

export interface Failure {
  kind: FailureKind;
  message: string;
}

export interface TextFile {
  name: string;
  text: string;
}

export interface Message {
  id: string;
  chatId: string;
  parent: string;            // a message id or kRoot
  role: 'user' | 'assistant';
  content: string;
  createdAt: number;
  state: MessageState;
  thought?: string;
  thoughtMs?: number;        // absent while it still thinks
  model?: string;
  stats?: Stats;
  failure?: Failure;
  files?: TextFile[];        // sent with a question
  tokens?: Token[];          // an answer's, with their probabilities, where these were asked for
  pair?: string;             // the answer that another model gave to the same question, shown beside this one
}

export type Messages = Readonly<Record<string, Message>>;
