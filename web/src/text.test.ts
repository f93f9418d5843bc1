import { afterAll, describe, expect, it } from 'vitest';
import { kLanguages, speak, text, type Text } from './text';

const english = text;
afterAll(() => speak('en'));

describe.each(kLanguages.map(([code]) => code))('the language %s', (code) => {
  it('says everything, with the same keys', async () => {
    await speak(code);
    expect(document.documentElement.lang).toBe(code);
    expect(document.documentElement.dir).toBe(code === 'ar' ? 'rtl' : 'ltr');
    expect(text.keys.map(([key]) => key)).toEqual(english.keys.map(([key]) => key));
    expect(text.examples).toHaveLength(4);
    for (const count of [0, 1, 2, 3, 11, 100, 1_234_567]) {
      for (const said of [text.tokens(count, true), text.readChats(count), text.contextUse(count, 10), text.settingsChanged(count)]) {
        expect(said).not.toMatch(/#|undefined|NaN/);
      }
    }
    expect(emptyIn(text)).toEqual(emptyIn(english));
  });
});

it('counts as each language does', async () => {
  await speak('ar');
  expect([1, 2, 3, 11].map((n) => text.tokens(n, true))).toEqual(['رمز واحد', 'رمزان', '3 رموز', '11 رمزًا'].map((s) => s.replace(/\d+/, (d) => new Intl.NumberFormat('ar').format(Number(d)))));
  await speak('en');
  expect([0, 1, 2].map((n) => text.tokens(n, true))).toEqual(['0 tokens', '1 token', '2 tokens']);
  await speak('de');
  expect([0, 1, 999, 1234, 19_400_000, 2e9].map((n) => text.bytes(n).replace(/\s/g, ' '))).toEqual(['0 Byte', '1 Byte', '999 Byte', '1,23 kB', '19,4 MB', '2 GB']);
  expect([0, 59.6, 61, 4321].map(text.runs.left)).toEqual(['noch 0 Sek.', 'noch 1 Min.', 'noch 1 Min. 1 Sek.', 'noch 1 Std. 12 Min.']);
});

// Paths of the sentences that are empty.
function emptyIn(words: Text | object, path = ''): string[] {
  return Object.entries(words).flatMap(([key, value]) => {
    if (value === '') return [`${path}${key}`];
    return typeof value === 'object' && value !== null ? emptyIn(value, `${path}${key}.`) : [];
  });
}
