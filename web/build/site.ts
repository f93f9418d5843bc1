// Writes the page as a site of its own: vite-node build/site.ts DIR ENGINE MODEL…
//   DIR     where it goes; what is there is replaced file by file
//   ENGINE  a folder with a folder for each variant of src/engine/variant.ts that was built: engine.mjs and what belongs to it
//   MODEL   GGUF files that the site brings along, the first by default

import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build as bundle } from 'esbuild';
import { build } from 'vite';
import { manifest } from './single_file';

// Beyond what the page says of itself. The worker compiles WebAssembly and may fetch models; the page may do neither.
const kPageHeaders = [
  "Content-Security-Policy: frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy: same-origin',
  'Cross-Origin-Embedder-Policy: require-corp',
  'Cross-Origin-Resource-Policy: same-origin',
  'X-Content-Type-Options: nosniff',
  'Referrer-Policy: no-referrer',
  'Permissions-Policy: camera=(), microphone=(), geolocation=()',
  'Cache-Control: no-cache',
];
const kWorkerPolicy = "Content-Security-Policy: default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self' http: https:";

async function main([dir, engine, ...models]: string[]): Promise<number> {
  if (!dir || !engine || models.length === 0) {
    console.error('usage: vite-node build/site.ts DIR ENGINE MODEL…');
    return 2;
  }
  process.env.NODE_ENV = 'production';
  await build({ mode: 'site', logLevel: 'warn', build: { outDir: dir, emptyOutDir: false } });
  cpSync(engine, join(dir, 'engine'), { recursive: true, dereference: true });
  const kEngines = JSON.stringify(readdirSync(engine));
  await script(dir, 'worker', 'src/engine/worker.ts', { kEngines });
  mkdirSync(join(dir, 'models'), { recursive: true });
  for (const model of models) cpSync(model, join(dir, 'models', basename(model)));
  writeFileSync(join(dir, 'models.json'), JSON.stringify(models.map(sourceOf), null, 1));
  writeFileSync(join(dir, 'manifest.webmanifest'), manifest());
  const files = filesBelow(dir).filter((f) => !f.startsWith('models/') && f !== '_headers' && f !== 'service_worker.js' && f !== 'index.html');
  await script(dir, 'service_worker', 'src/service_worker.ts', {
    kEngines,
    kVersion: JSON.stringify(versionOf(dir, ['index.html', ...files])),
    kFiles: JSON.stringify(['./', ...files]),
  });
  writeFileSync(join(dir, '_headers'), headers());
  console.log(`site: ${files.length + 1} files, ${models.length} model${models.length === 1 ? '' : 's'}, ${dir}`);
  return 0;
}

async function script(dir: string, name: string, from: string, define: Record<string, string> = {}): Promise<void> {
  await bundle({ entryPoints: [from], outfile: join(dir, `${name}.js`), bundle: true, minify: true, format: 'esm', target: 'es2022', define, logLevel: 'warning' });
}

function sourceOf(file: string): object {
  const name = basename(file);
  return { name, url: `models/${name}`, sizeBytes: statSync(file).size, sha256: createHash('sha256').update(readFileSync(file)).digest('hex') };
}

function filesBelow(dir: string, prefix = ''): string[] {
  return readdirSync(join(dir, prefix), { withFileTypes: true }).flatMap((entry) => {
    const path = prefix + entry.name;
    return entry.isDirectory() ? filesBelow(dir, `${path}/`) : [path];
  }).sort();
}

// Of what the visitor keeps: a service worker that differs is a newer page.
function versionOf(dir: string, files: string[]): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(file).update(readFileSync(join(dir, file)));
  return hash.digest('hex').slice(0, 16);
}

// In the form that Netlify and Cloudflare Pages read.
function headers(): string {
  const rule = (path: string, lines: string[]): string => [path, ...lines.map((line) => `  ${line}`)].join('\n');
  return [rule('/*', kPageHeaders), ...['/worker.js', '/engine/*'].map((path) => rule(path, [kWorkerPolicy]))].join('\n') + '\n';
}

if (!existsSync('package.json')) throw new Error('run this in web/');
process.exitCode = await main(process.argv.slice(2));
