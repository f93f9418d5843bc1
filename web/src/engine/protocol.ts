// What the page and the worker that computes say to each other.

// Where a model comes from: the site's own, an address elsewhere, or a file that was picked.
export interface ModelSource {
  name: string;
  url?: string;
  sha256?: string;    // of the whole file, where it is known before
  sizeBytes?: number;
  adapters?: AdapterSource[];  // loaded with it
}

// PEFT's adapter_model.safetensors, as a file like a model's, and what stood in adapter_config.json beside it.
export interface AdapterSource extends Omit<ModelSource, 'adapters'> {
  id: string;
  config: object;
  strength: number;
}

export interface KeptModel {
  name: string;
  sizeBytes: number;
}

export type ToWorker =
  | { type: 'list' }
  | { type: 'load'; source: ModelSource }
  | { type: 'fetch'; source: ModelSource }
  | { type: 'keep'; name: string; file: File }
  | { type: 'remove'; name: string }
  | { type: 'request'; id: number; method: string; path: string; body: string }
  | { type: 'cancel'; id: number };

// What answers load, fetch, keep and remove; one at a time, in order.
export type Reply = { type: 'done' } | { type: 'failed'; message: string };

export interface Progress {
  name: string;
  loaded: number;     // bytes
  total: number;      // 0 where nobody knows
  perSecond: number;  // bytes
}

export type FromWorker =
  | Reply
  | { type: 'listed'; models: KeptModel[] }  // at once, whatever is being loaded
  | { type: 'progress'; progress: Progress }
  | { type: 'response'; id: number; status: number; contentType: string }
  | { type: 'bytes'; id: number; bytes: Uint8Array }
  | { type: 'end'; id: number };
