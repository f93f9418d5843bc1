import { describe, expect, it } from 'vitest';
import { changedCount, kDefaults, samplingOf, settingsFrom } from './settings';

describe('settingsFrom', () => {
  it('falls back field by field', () => {
    expect(settingsFrom(null)).toEqual(kDefaults);
    expect(settingsFrom({ temperature: 9, top_p: 'x', seed: 7, system: 'Be brief.', unknown: 1, max_tokens: NaN }))
      .toEqual({ ...kDefaults, seed: 7, system: 'Be brief.' });
  });
});

describe('samplingOf', () => {
  it('sends only what every OpenAI-compatible server knows, until more is asked for', () => {
    expect(samplingOf(kDefaults)).toEqual({ temperature: kDefaults.temperature, top_p: kDefaults.top_p });
    expect(samplingOf({ ...kDefaults, seed: 0, max_tokens: 64, top_k: 40 }))
      .toEqual({ temperature: kDefaults.temperature, top_p: kDefaults.top_p, seed: 0, max_tokens: 64, top_k: 40 });
  });
});

describe('changedCount', () => {
  it('counts what differs, but not the model', () => {
    expect(changedCount({ ...kDefaults, model: 'x', seed: 0, system: 'y' })).toBe(2);
  });
});
