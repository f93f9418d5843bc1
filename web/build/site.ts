// Writes the page as a site of its own: vite-node build/site.ts ENGINE DIR [MODEL…] [--adapter [MODEL:]NAME=FOLDER[:SCALE]]…
//   ENGINE  a folder with a folder for each variant of src/engine/variant.ts that was built: engine.mjs and what belongs to it
//   DIR     where it goes; what is there is replaced file by file
//   MODEL   GGUF files that the site brings along, the first by default; none: the bundled one
//   FOLDER  of Hugging Face's PEFT: an adapter beside the first model or the one that is named, as in `owlet serve`
// Paths are from the folder that OWLET_CALLED_FROM names.

import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build as bundle } from 'esbuild';
import { build } from 'vite';
import type { AdapterSource, ModelSource } from '../src/engine/protocol';
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

async function main(args: string[]): Promise<void> {
  const { positionals: [engine, to, ...files], values: { adapter = [] } } =
    parseArgs({ args, allowPositionals: true, options: { adapter: { type: 'string', multiple: true } } });
  if (!engine || !to) fail('usage: ./owlet site DIR [MODEL.gguf…] [--adapter NAME=FOLDER]…');
  const models = modelsOf(files.length > 0 ? files.map(located) : ['../models/owlet.gguf'], adapter);
  const dir = located(to);
  process.env.NODE_ENV = 'production';
  await build({ mode: 'site', logLevel: 'warn', build: { outDir: dir, emptyOutDir: false } });
  cpSync(engine, join(dir, 'engine'), { recursive: true, dereference: true });
  const kEngines = JSON.stringify(readdirSync(engine));
  await script(dir, 'worker', 'src/engine/worker.ts', { kEngines });
  mkdirSync(join(dir, 'models'), { recursive: true });
  for (const { name, from } of models.flatMap((model) => [model, ...model.adapters])) cpSync(from, join(dir, 'models', name));
  writeFileSync(join(dir, 'models.json'), JSON.stringify(models, (key, value: unknown) => (key === 'from' ? undefined : value), 1));
  writeFileSync(join(dir, 'manifest.webmanifest'), manifest());
  const page = filesBelow(dir).filter((f) => !f.startsWith('models/') && f !== '_headers' && f !== 'service_worker.js' && f !== 'index.html');
  await script(dir, 'service_worker', 'src/service_worker.ts', {
    kEngines,
    kVersion: JSON.stringify(versionOf(dir, ['index.html', ...page])),
    kFiles: JSON.stringify(['./', ...page]),
  });
  writeFileSync(join(dir, '_headers'), headers());
  console.log(`site: ${page.length + 1} files, ${counted(models.length, 'model')}, ${counted(adapter.length, 'adapter')}, ${dir}`);
}

async function script(dir: string, name: string, from: string, define: Record<string, string> = {}): Promise<void> {
  await bundle({ entryPoints: [from], outfile: join(dir, `${name}.js`), bundle: true, minify: true, format: 'esm', target: 'es2022', define, logLevel: 'warning' });
}

// `from`: where it is now.
type Brought<Source> = Source & { from: string };
type Model = Brought<ModelSource> & { adapters: Brought<AdapterSource>[] };

function modelsOf(files: string[], adapters: string[]): Model[] {
  const models: Model[] = files.map((file) => {
    const name = basename(file);
    return name.endsWith('.gguf') ? { ...sourceOf(file, name), adapters: [] } : fail(`${file} is no GGUF file by its name`);
  });
  for (const given of adapters) {
    const [, parent, id, folder, scale = '1'] = /^(?:([^=]*):)?([^:=/]+)=(.+?)(?::([-+.\de]+))?$/.exec(given) ?? fail(`'${given}' is no adapter: NAME=FOLDER or NAME=FOLDER:SCALE`);
    const model = parent === undefined ? models[0]! : models.find(({ name }) => name === `${parent}.gguf`) ?? fail(`'${given}' is for a model that the site does not bring along`);
    const strength = Number.isFinite(Number(scale)) ? Number(scale) : fail(`'${given}': ${scale} is no number`);
    const config = JSON.parse(readFileSync(join(located(folder!), 'adapter_config.json'), 'utf8')) as object;
    const file = sourceOf(join(located(folder!), 'adapter_model.safetensors'), `${basename(model.name, '.gguf')}.${id}.safetensors`);
    model.adapters.push({ ...file, id: parent === undefined ? id! : `${parent}:${id}`, config, strength });
  }
  const ids = models.flatMap(({ name, adapters }) => [basename(name, '.gguf'), ...adapters.map(({ id }) => id)]);
  const twice = ids.find((id, i) => ids.indexOf(id) !== i);
  return twice === undefined ? models : fail(`two of those that the site brings along are called '${twice}'`);
}

function sourceOf(from: string, name: string): Brought<ModelSource> {
  return { from, name, url: `models/${encodeURIComponent(name)}`, sizeBytes: statSync(from).size, sha256: createHash('sha256').update(readFileSync(from)).digest('hex') };
}

function located(path: string): string {
  return resolve(process.env.OWLET_CALLED_FROM ?? '.', path);
}

function counted(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}

function fail(message: string): never {
  throw new Error(message);
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
await main(process.argv.slice(2)).catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
