// How fast the engine in the browser is beside wllama's: the same browser, the same file, the same threads, in turns. Not a test.
//   OWLET_SITE  a folder that `owlet site` wrote
//   WLLAMA      node_modules/@wllama/wllama/esm of an installation
//   THREADS     1, or more (the default: what both find)

import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch } from './browser';
import { SiteServer } from './site_server';

const { OWLET_SITE: site, WLLAMA: wllama, MODEL: model, THREADS = '1' } = process.env;
if (!site || !wllama) throw new Error('OWLET_SITE and WLLAMA must name folders');
const kRounds = 3;
const kNew = 64;                                     // tokens that are decoded
const kPrompt = 'The sun is warm and the sky is blue. '.repeat(40);

interface Speeds { prefill: number; decode: number }  // tokens per second

const dir = mkdtempSync(join(tmpdir(), 'owlet-wllama-'));
cpSync(site, dir, { recursive: true });
cpSync(wllama, join(dir, 'wllama'), { recursive: true });
if (model) cpSync(model, join(dir, 'models/owlet.gguf'));
writeFileSync(join(dir, 'bench.html'), '<!doctype html><script type="module">import { Wllama } from "/wllama/index.js"; window.Wllama = Wllama;</script>');
const server = await SiteServer.start(dir, THREADS !== '1');
const browser = await launch();

async function owlet(): Promise<Speeds[]> {
  const page = await browser.newPage();
  await page.goto(`${server.url}/bench.html`);
  const all = await page.evaluate(async ({ prompt, rounds, n }) => {
    const worker = new Worker('/worker.js', { type: 'module' });
    const heard: ((data: { type: string; message?: string; bytes?: Uint8Array }) => void)[] = [];
    worker.onmessage = ({ data }) => heard.forEach((hear) => hear(data));
    const until = (start: () => void, type: string, each?: (bytes: Uint8Array) => void): Promise<void> => new Promise((resolve, reject) => {
      const hear = (data: { type: string; message?: string; bytes?: Uint8Array }): void => {
        if (data.bytes) each?.(data.bytes);
        if (data.type === 'failed') reject(new Error(data.message));
        if (data.type === type) resolve(void heard.splice(heard.indexOf(hear), 1));
      };
      heard.push(hear);
      start();
    });
    await until(() => worker.postMessage({ type: 'load', source: { name: 'owlet.gguf', url: '/models/owlet.gguf' } }), 'done');
    const speeds: Speeds[] = [];
    for (let id = 1; id <= rounds; id++) {
      let text = '';
      // What begins differently is not known from the round before.
      const body = JSON.stringify({ prompt: `${id} ${prompt}`, max_tokens: n, temperature: 0, ignore_eos: true });
      await until(() => worker.postMessage({ type: 'request', id, method: 'POST', path: '/v1/completions', body }), 'end', (bytes) => (text += new TextDecoder().decode(bytes)));
      const { timings } = JSON.parse(text) as { timings: { prompt_per_second: number; predicted_per_second: number } };
      speeds.push({ prefill: timings.prompt_per_second, decode: timings.predicted_per_second });
    }
    worker.terminate();
    return speeds;
  }, { prompt: kPrompt, rounds: kRounds, n: kNew });
  await page.close();
  return all;
}

async function theirs(): Promise<Speeds[]> {
  const page = await browser.newPage();
  await page.goto(`${server.url}/bench.html`);
  const all = await page.evaluate(async ({ prompt, rounds, n, threads }) => {
    const { Wllama } = window as unknown as { Wllama: new (paths: object) => any };  // theirs, as it comes
    const engine = new Wllama({ 'single-thread/wllama.wasm': '/wllama/single-thread/wllama.wasm', 'multi-thread/wllama.wasm': '/wllama/multi-thread/wllama.wasm' });
    await engine.loadModel([await (await fetch('/models/owlet.gguf')).blob()], { n_threads: threads, n_ctx: 1024, n_batch: 512 });
    const speeds: Speeds[] = [];
    await engine.samplingInit({ temp: 0 });
    for (let id = 1; id <= rounds; id++) {
      await engine.kvClear();
      const tokens = await engine.tokenize(`${id} ${prompt}`);
      const begin = performance.now();
      await engine.decode(tokens, {});
      let next = await engine.samplingSample();
      const first = performance.now();
      for (let i = 1; i < n; i++) {
        await engine.samplingAccept([next.token]);
        await engine.decode([next.token], {});
        next = await engine.samplingSample();
      }
      speeds.push({ prefill: (tokens.length * 1000) / (first - begin), decode: ((n - 1) * 1000) / (performance.now() - first) });
    }
    await engine.exit();
    return speeds;
  }, { prompt: kPrompt, rounds: kRounds, n: kNew, threads: Number(THREADS) });
  await page.close();
  return all;
}

const best = (speeds: Speeds[], of: keyof Speeds): string => Math.max(...speeds.map((s) => s[of])).toFixed(0);
for (let turn = 0; turn < 3; turn++) {
  for (const [name, run] of [['owlet', owlet], ['wllama', theirs]] as const) {
    const speeds = await run();
    console.log(`${name}: prefill ${best(speeds, 'prefill')}, decode ${best(speeds, 'decode')} tokens/s, the best of ${kRounds}`);
  }
}
await browser.close();
await server.stop();
rmSync(dir, { recursive: true });
