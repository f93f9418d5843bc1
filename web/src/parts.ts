// Parts of the page that are needed seldom: mathematics, highlighting, languages other than English. The built page carries
// each as a script that the browser does not run, or even parse, until it is asked for; the page's policy names its hash.

import { apart } from './apart';
import type { Format, Text } from './text';

interface Words { default: (format: Format) => Text }

interface Parts {
  math: typeof import('./parts/math');
  highlight: typeof import('./parts/highlight');
  de: Words;
  fr: Words;
  es: Words;
  pt: Words;
  zh: Words;
  hi: Words;
  ar: Words;
}

export type PartName = keyof Parts;

const loading = new Map<PartName, Promise<unknown>>();

export function part<N extends PartName>(name: N): Promise<Parts[N]> {
  const begun = loading.get(name) ?? load(name);
  loading.set(name, begun);
  return begun as Promise<Parts[N]>;
}

// An element of another type than a script's does not run when the page is read, but does when it is put in again as a script.
// Its text was the parser's, so that Trusted Types have nothing to object to.
async function load(name: PartName): Promise<unknown> {
  if (import.meta.env.DEV) return kSources[name]();
  const element = document.getElementById(`part-${name}`);
  if (!(element instanceof HTMLScriptElement)) throw new Error(`the page was built without its part '${name}'`);
  await apart();  // a script takes its time: whoever asks draws in this task, and what was asked for is used in the next
  element.remove();
  element.type = 'text/javascript';
  document.head.append(element);
  await apart();
  return (globalThis as unknown as { owletParts: Partial<Parts> }).owletParts[name];
}

const kSources: Record<PartName, () => Promise<unknown>> = import.meta.env.DEV ? {
  math: () => import('./parts/math'),
  highlight: () => import('./parts/highlight'),
  de: () => import('./languages/de'),
  fr: () => import('./languages/fr'),
  es: () => import('./languages/es'),
  pt: () => import('./languages/pt'),
  zh: () => import('./languages/zh'),
  hi: () => import('./languages/hi'),
  ar: () => import('./languages/ar'),
} : {} as Record<PartName, () => Promise<unknown>>;
