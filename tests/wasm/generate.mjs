// generate.mjs ENGINE MODEL THREADS [NAME=ADAPTER]… REQUEST…: what the engine for the browser answers to requests of the API, under node.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';

const [engine, model, threads, ...rest] = process.argv.slice(2);
const adapters = rest.filter((given) => !given.startsWith('{')), requests = rest.slice(adapters.length);
// What Emscripten's modules expect of node, though they are none of its old ones.
globalThis.require = createRequire(import.meta.url);
globalThis.__dirname = dirname(engine);
const { default: create } = await import(pathToFileURL(engine).href);
const answers = new Map();
const module = await create({
  threads: Number(threads) - 1,
  wasmBinary: readFileSync(engine.replace(/mjs$/, 'wasm')),
  onResponse: (id, status) => answers.set(id, { status, body: '' }),
  onBytes: (id, bytes) => (answers.get(id).body += new TextDecoder().decode(bytes)),
  onEnd: () => undefined,
});

const text = (value) => {
  const bytes = new TextEncoder().encode(`${value}\0`);
  const at = module._malloc(bytes.length);
  module.HEAPU8.set(bytes, at);
  return at;
};
const file = (path) => {
  const bytes = readFileSync(path);
  const at = module._owlet_allocate(bytes.length);
  module.HEAPU8.set(bytes, at);
  return [at, bytes.length];
};
const check = (wrong) => {
  if (wrong === 0) return;
  console.error(new TextDecoder().decode(module.HEAPU8.slice(wrong, module.HEAPU8.indexOf(0, wrong))));
  process.exit(1);
};
check(module._owlet_load(...file(model), text(model), Number(threads), 4e9));
for (const given of adapters) {
  const [name, folder] = given.split('=');
  const config = readFileSync(`${folder}/adapter_config.json`);
  check(module._owlet_add_adapter(text(name), 1, text(config), ...file(`${folder}/adapter_model.safetensors`)));
}
requests.forEach((request, id) => {
  const { method = 'POST', path, body = {} } = JSON.parse(request);
  module._owlet_request(id, text(method), text(path), text(JSON.stringify(body)));
});
while (module._owlet_step() !== 0);
for (const [, { body }] of [...answers].sort(([a], [b]) => a - b)) console.log(body);
process.exit(0);
