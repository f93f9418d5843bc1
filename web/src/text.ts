// The language of the page. `text` holds every sentence in it; each language is one file in languages/, of which English is
// always here and the others are read when they are chosen.

import { keep, keptText } from './chat/kept';
import en from './languages/en';
import { once } from './once';
import { part } from './parts';

export type Language = 'en' | 'de' | 'fr' | 'es' | 'pt' | 'zh' | 'hi' | 'ar';
export type Text = ReturnType<typeof en>;

// Each in its own words.
export const kLanguages: readonly (readonly [Language, string])[] = [
  ['en', 'English'], ['de', 'Deutsch'], ['fr', 'Français'], ['es', 'Español'], ['pt', 'Português'], ['zh', '中文'], ['hi', 'हिन्दी'], ['ar', 'العربية'],
];

// How a language writes numbers and counts things.
export interface Format {
  number(value: number): string;
  short(value: number): string;                        // three digits, none beyond thousandths
  percent(share: number): string;
  bytes(bytes: number): string;
  duration(seconds: number): string;                   // its two largest units
  plural(count: number, forms: Partial<Record<Intl.LDMLPluralRule, string>> & { other: string }): string;
}

export let language: Language = 'en';
export let text: Text = en(format('en'));

export async function speak(wanted: Language): Promise<void> {
  const words = wanted === 'en' ? en : (await part(wanted)).default;
  language = wanted;
  text = words(format(wanted));
  document.documentElement.lang = wanted;
  document.documentElement.dir = wanted === 'ar' ? 'rtl' : 'ltr';
}

export function keepLanguage(wanted: Language): void {
  keep('language', wanted);
}

// The one chosen before, else the first of the browser's that is known here.
export function wantedLanguage(): Language {
  const known = (name: string): Language | undefined => kLanguages.find(([code]) => name.toLowerCase().split('-')[0] === code)?.[0];
  return known(keptText('language')) ?? navigator.languages.map(known).find((found) => found !== undefined) ?? 'en';
}

const kSizes = [['gigabyte', 1e9], ['megabyte', 1e6], ['kilobyte', 1e3], ['byte', 1]] as const;
const kUnits = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]] as const;

function durationOf(seconds: number, words: (unit: string, value: number) => string): string {
  const whole = Math.round(seconds);
  const found = kUnits.findIndex(([, length]) => whole >= length);
  const first = found < 0 ? kUnits.length - 1 : found;
  let left = whole;
  return kUnits.slice(first, first + 2).flatMap(([unit, length], i) => {
    const value = Math.floor(left / length);
    left -= value * length;
    return value > 0 || i === 0 ? [words(unit, value)] : [];
  }).join(' ');
}

function format(locale: string): Format {
  const number = once(() => new Intl.NumberFormat(locale));
  const short = once(() => new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 }));
  const percent = once(() => new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 1 }));
  const rules = once(() => new Intl.PluralRules(locale));
  return {
    number: (value) => number().format(value),
    short: (value) => short().format(Math.round(1000 * value) / 1000),
    percent: (share) => percent().format(share),
    bytes: (bytes) => {
      const [unit, length] = kSizes.find(([, length]) => bytes >= length) ?? kSizes[3];
      return new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: unit === 'byte' ? 'long' : 'short', maximumSignificantDigits: 3 }).format(bytes / length);
    },
    duration: (seconds) => durationOf(seconds, (unit, value) => new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'short' }).format(value)),
    plural: (count, forms) => (forms[rules().select(count)] ?? forms.other).replace('#', number().format(count)),
  };
}
