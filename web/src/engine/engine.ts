// What the page needs of an engine, in the shape of OpenAI's chat API. HTTP is one implementation (http.ts); an engine
// that runs inside the browser can be another, and nothing above this file would notice.

export interface ModelInfo {
  id: string;
  sizeBytes?: number;
  nParams?: number;
  contextLength?: number;
  description?: string;
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
  | { type: 'end'; reason: 'stop' | 'length' }
  | { type: 'usage'; usage: Usage };

export interface Engine {
  // Throws EngineError.
  models(signal?: AbortSignal): Promise<ModelInfo[]>;
  // Yields events until the answer is complete. Throws EngineError; ends quietly when the signal aborts.
  chat(request: ChatRequest, signal: AbortSignal): AsyncIterable<ChatEvent>;
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
