// Every setting of the page, once: its default, its bounds and the sentence that explains it. The panel, the request and
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
};

export interface NumberSetting {
  key: 'temperature' | 'top_p' | 'max_tokens' | 'seed' | 'top_k' | 'min_p' | 'repetition_penalty';
  label: string;
  says: string;
  min: number;
  max: number;
  step: number;
  slider: boolean;
  empty?: string;      // shown where the field is empty
  advanced?: boolean;
}

export const kNumberSettings: readonly NumberSetting[] = [
  { key: 'temperature', label: 'Temperature', min: 0, max: 2, step: 0.05, slider: true,
    says: 'How freely the next word is drawn; 0 always takes the likeliest.' },
  { key: 'top_p', label: 'Top-p', min: 0.05, max: 1, step: 0.05, slider: true,
    says: 'Draws only from the likeliest words that together reach this share.' },
  { key: 'max_tokens', label: 'Length', min: 0, max: 1_000_000, step: 1, slider: false, empty: 'to the end of the context',
    says: 'The most tokens an answer may have; empty lets it run to the end of the context.' },
  { key: 'seed', label: 'Seed', min: 0, max: Number.MAX_SAFE_INTEGER, step: 1, slider: false, empty: 'new each time',
    says: 'The same seed and the same chat give the same answer.' },
  { key: 'top_k', label: 'Top-k', min: 0, max: 1000, step: 1, slider: false, empty: 'off', advanced: true,
    says: 'Draws only from this many of the likeliest words; empty is off.' },
  { key: 'min_p', label: 'Min-p', min: 0, max: 1, step: 0.01, slider: true, advanced: true,
    says: 'Leaves out words less likely than this share of the likeliest; 0 is off.' },
  { key: 'repetition_penalty', label: 'Repetition penalty', min: 1, max: 2, step: 0.01, slider: true, advanced: true,
    says: 'Makes words that were already said less likely; 1 is off.' },
];

// Reads what was kept, field by field: what is missing or out of bounds falls back to its default.
export function settingsFrom(kept: unknown): Settings {
  const settings: Settings = { ...kDefaults };
  if (typeof kept !== 'object' || kept === null) return settings;
  const from = kept as Record<string, unknown>;
  if (typeof from.model === 'string') settings.model = from.model;
  if (typeof from.system === 'string') settings.system = from.system;
  for (const { key, min, max } of kNumberSettings) {
    const value = from[key];
    if (typeof value === 'number' && value >= min && value <= max) settings[key] = value;
  }
  return settings;
}

export function isDefault(settings: Settings, key: keyof Settings): boolean {
  return settings[key] === kDefaults[key];
}

export function changedCount(settings: Settings): number {
  return (Object.keys(kDefaults) as (keyof Settings)[]).filter((key) => key !== 'model' && !isDefault(settings, key)).length;
}

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
  };
}
