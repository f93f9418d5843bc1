// Every setting of the page, once: its default and its bounds; the sentence that explains it is in languages/. The panel, the request and
// what is kept in the browser are all made from this table.

import type { ChatRequest } from '../engine/engine';

export interface Settings {
  model: string;         // '' is the server's first
  system: string;
  temperature: number;
  top_p: number;
  max_tokens: number;    // 0: to the end of the context
  seed: number | null;   // null: another one each time
  top_k: number;         // 0: off
  min_p: number;
  repetition_penalty: number;
  compare: string;       // the model that answers beside it; '': none
  logprobs: boolean;     // keep what else could have been said
}

export const kDefaults: Settings = {
  model: '',
  system: '',
  temperature: 0.6,
  top_p: 0.95,
  max_tokens: 0,
  seed: null,
  top_k: 0,
  min_p: 0,
  repetition_penalty: 1,
  compare: '',
  logprobs: false,
};

export interface NumberSetting {
  key: 'temperature' | 'top_p' | 'max_tokens' | 'seed' | 'top_k' | 'min_p' | 'repetition_penalty';
  min: number;
  max: number;
  step: number;
  slider: boolean;
  advanced?: boolean;
}

export const kNumberSettings: readonly NumberSetting[] = [
  { key: 'temperature', min: 0, max: 2, step: 0.05, slider: true },
  { key: 'top_p', min: 0.05, max: 1, step: 0.05, slider: true },
  { key: 'max_tokens', min: 0, max: 1_000_000, step: 1, slider: false },
  { key: 'seed', min: 0, max: Number.MAX_SAFE_INTEGER, step: 1, slider: false },
  { key: 'top_k', min: 0, max: 1000, step: 1, slider: false, advanced: true },
  { key: 'min_p', min: 0, max: 1, step: 0.01, slider: true, advanced: true },
  { key: 'repetition_penalty', min: 1, max: 2, step: 0.01, slider: true, advanced: true },
];

// Reads what was kept, field by field: what is missing or out of bounds falls back to its default.
export function settingsFrom(kept: unknown): Settings {
  return { ...kDefaults, ...changesFrom(kept) };
}

// The same of a chat's own settings: only those it has.
export function changesFrom(kept: unknown): Partial<Settings> {
  const settings: Partial<Settings> = {};
  if (typeof kept !== 'object' || kept === null) return settings;
  const from = kept as Record<string, unknown>;
  for (const key of ['model', 'system', 'compare'] as const) if (typeof from[key] === 'string') settings[key] = from[key];
  if (typeof from.logprobs === 'boolean') settings.logprobs = from.logprobs;
  for (const { key, min, max } of kNumberSettings) {
    const value = from[key];
    if (typeof value === 'number' && value >= min && value <= max) settings[key] = value;
    else if (key === 'seed' && value === null) settings[key] = null;  // a chat may want another seed each time
  }
  return settings;
}

export function isDefault(settings: Settings, key: keyof Settings): boolean {
  return settings[key] === kDefaults[key];
}

export function changedCount(settings: Settings): number {
  return (Object.keys(kDefaults) as (keyof Settings)[]).filter((key) => key !== 'model' && !isDefault(settings, key)).length;
}

const kAlternatives = 6;

// Fields that only Owlet and its like understand are sent only when they differ, so that any OpenAI-compatible server
// accepts the request.
export function samplingOf(settings: Settings): Omit<ChatRequest, 'model' | 'messages'> {
  return {
    temperature: settings.temperature,
    top_p: settings.top_p,
    ...(settings.max_tokens > 0 ? { max_tokens: settings.max_tokens } : {}),
    ...(settings.seed === null ? {} : { seed: settings.seed }),
    ...(settings.top_k > 0 ? { top_k: settings.top_k } : {}),
    ...(settings.min_p > 0 ? { min_p: settings.min_p } : {}),
    ...(settings.repetition_penalty === 1 ? {} : { repetition_penalty: settings.repetition_penalty }),
    ...(settings.logprobs ? { logprobs: true, top_logprobs: kAlternatives } : {}),
  };
}
