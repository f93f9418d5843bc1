// How fast the engine in the browser is beside wllama's and beside the program: the same file and threads, in turns, in the same browser.
// Not a test.
//   OWLET_SITE  a folder that `owlet site` wrote
//   WLLAMA      node_modules/@wllama/wllama/esm of an installation
//   OWLET       the program, for its generic path on the same machine; left out where there is none
//   MODEL       a GGUF file (the site's own)
//   THREADS     1, or as many as there are cores, which both find
//   REPEATS     of the prompt's ten tokens (40)
//   NEW         tokens that are decoded (64)
//   ROUNDS, TURNS  requests to a model that is loaded (3), and models loaded (3)
//   OPENINGS    of the page with all it needs kept, until the first token of its answer (0)

import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';
import { answered, launchProfile, ready } from './browser';
import { SiteServer } from './site_server';

const { OWLET_SITE: site, WLLAMA: wllama, OWLET: program, MODEL: model, ...env } = process.env;
if (!site || !wllama) throw new Error('OWLET_SITE and WLLAMA must name folders');
const numberOf = (name: string, usual: number): number => Number(env[name] ?? usual);
const settings = {
  prompt: 'The sun is warm and the sky is blue. '.repeat(numberOf('REPEATS', 40)),
  threads: numberOf('THREADS', 1), rounds: numberOf('ROUNDS', 3), n: numberOf('NEW', 64),
};
type Settings = typeof settings;
interface Speeds { prefill: number; decode: number }  // tokens per second

const dir = mkdtempSync(join(tmpdir(), 'owlet-wllama-'));
cpSync(site, dir, { recursive: true });
cpSync(wllama, join(dir, 'wllama'), { recursive: true });
const file = join(dir, 'models/owlet.gguf');
if (model) cpSync(model, file);
writeFileSync(join(dir, 'bench.html'), '<!doctype html><script type="module">import { Wllama } from "/wllama/index.js"; window.Wllama = Wllama;</script>');
const server = await SiteServer.start(dir, settings.threads > 1);

// In the page, so without anything from here.
async function askWorker({ prompt, rounds, n }: Settings): Promise<Speeds[]> {
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
  return speeds;
}

async function askWllama({ prompt, rounds, n, threads }: Settings): Promise<Speeds[]> {
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
  return speeds;
}

async function askProgram({ prompt, rounds, n, threads }: Settings): Promise<Speeds[]> {
  const child = spawn(program!, ['serve', file, '--port', '0', '--threads', String(threads)], { env: { ...process.env, OWLET_ISA: 'generic' } });
  try {
    const url = await new Promise<string>((resolve) => {
      let said = '';
      const hear = (bytes: Buffer): void => {
        const found = /http:\/\/127\.0\.0\.1:\d+/.exec((said += String(bytes)));
        if (found) resolve(found[0]);
      };
      child.stdout.on('data', hear);
      child.stderr.on('data', hear);
    });
    const speeds: Speeds[] = [];
    for (let id = 1; id <= rounds; id++) {
      const body = JSON.stringify({ prompt: `${id} ${prompt}`, max_tokens: n, temperature: 0, ignore_eos: true });
      const { timings } = await (await fetch(`${url}/v1/completions`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body })).json() as any;
      speeds.push({ prefill: timings.prompt_per_second, decode: timings.predicted_per_second });
    }
    return speeds;
  } finally {
    child.kill();
  }
}

// In a browser of its own, so that its processes are no one else's; says what the page's took at most.
async function inPage(ask: (settings: Settings) => Promise<Speeds[]>, name: string): Promise<Speeds[]> {
  const { context, close } = await launchProfile();
  const page = await context.newPage();
  await page.goto(`${server.url}/bench.html`);
  const speeds = await page.evaluate(ask, settings);
  console.log(`  ${name}: ${await peakMegabytes(context)} MB at most in the page's process`);
  await close();
  return speeds;
}

// Of the largest of the processes that show pages. The kernel counts what was mapped and touched.
async function peakMegabytes(context: BrowserContext): Promise<number> {
  const session = await context.browser()!.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const peaks = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, 'utf8'))?.[1]));
  return Math.round((Math.max(...peaks) * 1024) / 1e6);
}

const median = (values: number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
};

async function compare(): Promise<void> {
  const all: Record<string, Speeds[]> = { owlet: [], wllama: [], ...(program ? { generic: [] } : {}) };
  for (let turn = 0; turn < numberOf('TURNS', 3); turn++) {
    for (const [name, speeds] of Object.entries(all)) {
      const found = name === 'generic' ? await askProgram(settings) : await inPage(name === 'owlet' ? askWorker : askWllama, name);
      speeds.push(...found);
      for (const { prefill, decode } of found) console.log(`${name}: prefill ${prefill.toFixed(1)}, decode ${decode.toFixed(1)} tokens/s`);
    }
  }
  for (const of of ['prefill', 'decode'] as const) {
    const medians = Object.entries(all).map(([name, speeds]) => [name, median(speeds.map((s) => s[of]))] as const);
    console.log(`${of}, medians: ${medians.map(([name, speed]) => `${name} ${speed.toFixed(1)} (owlet ${(medians[0]![1] / speed).toFixed(2)} times)`).join(', ')}`);
  }
}

// Asks the first example as soon as the page offers it, and notes when its answer begins.
function askAtOnce(): void {
  const noted = { offered: 0, firstToken: 0 };
  (window as unknown as { noted: typeof noted }).noted = noted;
  new MutationObserver((_, observer) => {
    const example = document.querySelector<HTMLButtonElement>('.examples button:enabled');
    if (example && noted.offered === 0) {
      noted.offered = performance.now();
      example.click();
    }
    if (!document.querySelector('.answer .prose')?.textContent) return;
    noted.firstToken = performance.now();
    observer.disconnect();
  }).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
}

interface TraceEvent { name: string; ph: string; pid: number; tid: number; dur?: number; tdur?: number; args: { name?: string; data?: { url?: string } } }

// The longest tasks of the thread that shows the page, not of those that show the browser's own: by the clock, and what the processor spent on
// them where others use it too. That a debugger is attached is in them: it wants to know of each function where it stands.
function longestTask(trace: Buffer): string {
  const { traceEvents } = JSON.parse(String(trace)) as { traceEvents: TraceEvent[] };
  const place = (event: TraceEvent): string => `${event.pid}/${event.tid}`;
  const main = new Set(traceEvents.filter((e) => e.name === 'thread_name' && e.args.name === 'CrRendererMain').map(place));
  const ours = new Set(traceEvents.filter((e) => main.has(place(e)) && e.args.data?.url?.startsWith(server.url)).map(place));
  const tasks = traceEvents.filter((e) => e.name.endsWith('RunTask') && ours.has(place(e)));
  const most = (of: 'dur' | 'tdur'): string => (Math.max(0, ...tasks.map((task) => task[of] ?? 0)) / 1000).toFixed(0);
  return `longest task ${most('dur')} ms, ${most('tdur')} ms of processor time`;
}

async function openings(count: number): Promise<void> {
  const { context, close } = await launchProfile();
  const visit = async (prepare?: (page: Page) => Promise<void>): Promise<Page> => {
    const page = await context.newPage();
    await prepare?.(page);
    await page.goto(`${server.url}/`);
    return page;
  };
  const first = await visit();
  await ready(first);
  await first.locator('.examples button').first().click();
  await answered(first);
  await first.evaluate(() => navigator.serviceWorker.ready);
  await first.close();
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    // Tracing costs time of its own: every other opening is traced, and its time is not counted.
    for (const traced of [false, true]) {
      const page = await visit(async (opened) => {
        await opened.addInitScript(askAtOnce);
        if (traced) await context.browser()!.startTracing(opened, { categories: ['toplevel', 'devtools.timeline', 'disabled-by-default-devtools.timeline'] });
      });
      await answered(page);
      const noted = await page.evaluate(() => (window as unknown as { noted: { offered: number; firstToken: number } }).noted);
      if (!traced) times.push(noted.firstToken);
      const task = traced ? `traced, ${longestTask(await context.browser()!.stopTracing())}` : `first token after ${noted.firstToken.toFixed(0)}`;
      console.log(`opened: asked after ${noted.offered.toFixed(0)} ms, ${task}`);
      await page.close();
    }
  }
  console.log(`first token, median: ${median(times).toFixed(0)} ms`);
  await close();
}

if (numberOf('OPENINGS', 0) > 0) await openings(numberOf('OPENINGS', 0));
if (numberOf('TURNS', 3) > 0) await compare();
await server.stop();
rmSync(dir, { recursive: true });
