// What the page needs of an engine, in the shape of OpenAI's chat API. HTTP is one implementation (http.ts); an engine
// that runs inside the browser can be another, and nothing above this file would notice.

import type { KeptModel } from './protocol';
import type { Run, RunName } from './runs';

export interface ModelInfo {
  id: string;
  sizeBytes?: number;
  nParams?: number;
  contextLength?: number;
  description?: string;
  loaded?: number;  // 0 … 1 while it is being loaded; absent when it is ready
}

export interface ChatTurn {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

// Field names are the API's own. What is left out, the server decides.
export interface ChatRequest {
  model: string;
  messages: ChatTurn[];
  temperature?: number;
  top_p?: number;
  max_tokens?: number;
  seed?: number;
  top_k?: number;
  min_p?: number;
  repetition_penalty?: number;
  // The last message is an answer's beginning, and what is asked for is the rest of it (vLLM's names).
  continue_final_message?: boolean;
  add_generation_prompt?: boolean;
  logprobs?: boolean;
  top_logprobs?: number;
}

// A token of an answer, and the likeliest ones in its place.
export interface Token {
  text: string;
  logprob: number;
  top: { text: string; logprob: number }[];
}

// A token of any text.
export interface Piece {
  id: number;
  text: string;
}

export interface Usage {
  promptTokens: number;
  completionTokens: number;
  // As the engine measured them; absent where it does not say.
  tokensPerSecond?: number;
}

export type ChatEvent =
  | { type: 'thought'; text: string }
  | { type: 'text'; text: string }
  | { type: 'tokens'; tokens: Token[] }  // where logprobs were asked for
  | { type: 'end'; reason: 'stop' | 'length' }
  | { type: 'usage'; usage: Usage };

export interface Engine {
  // Throws EngineError.
  models(signal?: AbortSignal): Promise<ModelInfo[]>;
  // Yields events until the answer is complete. Throws EngineError; ends quietly when the signal aborts.
  chat(request: ChatRequest, signal: AbortSignal): AsyncIterable<ChatEvent>;
  // The tokens of a text; null where the engine cannot tell. Never throws.
  tokenize?(text: string, model: string, signal?: AbortSignal): Promise<Piece[] | null>;
  readonly runs?: TrainingRuns;  // where the engine is a server
  readonly shelf?: Shelf;        // where models can be added and removed
}

// Training that goes on beside the server. Both throw EngineError.
export interface TrainingRuns {
  list(signal?: AbortSignal): Promise<RunName[] | null>;  // the one that was written last first; null where the server shows none
  follow(name: string, signal?: AbortSignal): Promise<Run>;
}

// The models that a person added. All throw EngineError.
export interface Shelf {
  added(): Promise<KeptModel[]>;
  // A GGUF file that was picked, the address of one, or a name on the hub; the new model's id.
  add(from: File | string): Promise<string>;
  remove(id: string): Promise<void>;
}

// unreachable: nobody answered. lost: the answer broke off. unauthorized: a key is missing or wrong. foreign: somebody
// answered, but not with this API. context: the chat is longer than the model can read. refused: any other error.
export type FailureKind = 'unreachable' | 'lost' | 'unauthorized' | 'foreign' | 'context' | 'refused';

export class EngineError extends Error {
  constructor(
    readonly kind: FailureKind,
    message: string,
    readonly status?: number,
  ) {
    super(message);
    this.name = 'EngineError';
  }
}
