// The parts of the page that load when they are first needed, each built on its own into one script (see src/parts.ts).

import { fileURLToPath } from 'node:url';
import { build, type Rollup } from 'vite';

const kParts: Record<string, string> = {
  math: 'parts/math.ts',
  highlight: 'parts/highlight.ts',
  ...Object.fromEntries(['de', 'fr', 'es', 'pt', 'zh', 'hi', 'ar'].map((language) => [language, `languages/${language}.ts`])),
};

// Name → script, which leaves the part's exports in `owletParts`.
export async function buildParts(): Promise<Map<string, string>> {
  const scripts = new Map<string, string>();
  for (const [name, source] of Object.entries(kParts)) {
    const outputs = await build({
      configFile: false,
      logLevel: 'warn',
      esbuild: { legalComments: 'none' },
      build: {
        write: false,
        target: 'es2022',
        minify: 'esbuild',
        lib: { entry: fileURLToPath(new URL(`../src/${source}`, import.meta.url)), formats: ['iife'], name: 'owletPart' },
        rollupOptions: { output: { exports: 'named' } },
      },
    }) as Rollup.RollupOutput[];
    const code = outputs[0]!.output[0].code.trim();
    scripts.set(name, `(globalThis.owletParts??={})[${JSON.stringify(name)}]=(()=>{${code}\nreturn owletPart})();`);
  }
  return scripts;
}
