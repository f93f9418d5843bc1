// The built site (OWLET_SITE) in a real browser: its own engine, its own models and an adapter, with and without a network, headers and threads.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { answered, ask, launch, ready, visit, type Visit } from './browser';
import { runTests, type Test } from './harness';
import { MockServer } from './mock-server';
import { SiteServer } from './site_server';

const dir = process.env.OWLET_SITE;
if (!dir) throw new Error('OWLET_SITE must name a folder that `owlet site` wrote');
const browser = await launch();
const kHub = 'https://huggingface.co';  // what a test makes of it; nothing leaves the machine
const server = await MockServer.start({ page: false });

const test = (name: string, body: (v: Visit, site: SiteServer) => Promise<void>, withHeaders = true, prepare?: (site: SiteServer) => void): Test => [name, async () => {
  const site = await SiteServer.start(dir, withHeaders);
  prepare?.(site);
  const v = await visit(browser, [site.url, kHub, server.url]);
  try {
    await ready(v.page);
    await body(v, site);
    assert.deepEqual(v.complaints, [], 'errors in the console');
    assert.deepEqual(v.strangers, [], 'requests to other hosts');
  } finally {
    await v.close();
    await site.stop();
  }
}];

const kEngines = readdirSync(join(dir, 'engine'));
const enginesOf = (site: SiteServer): Set<string> => new Set(site.asked.flatMap(({ path }) => /^\/engine\/([^/]+)\//.exec(path)?.[1] ?? []));

const workerIsKept = (page: Page): Promise<unknown> => page.evaluate(async () => {
  await navigator.serviceWorker.ready;
  for (let i = 0; i < 100 && !navigator.serviceWorker.controller; i++) await new Promise((resolve) => setTimeout(resolve, 50));
});

async function openAnew(page: Page, url: string): Promise<void> {
  await page.goto('about:blank');
  await page.goto(`${url}/`);
  await ready(page);
}

// Changes a few bytes of the model that this browser keeps.
const damage = (page: Page): Promise<void> => page.evaluate(async () => {
  const root = await navigator.storage.getDirectory();
  const file = await (await root.getDirectoryHandle('models')).getFileHandle('owlet.gguf');
  const writable = await file.createWritable({ keepExistingData: true });
  await writable.write({ type: 'write', position: 5_000_000, data: new Uint8Array([1, 2, 3, 4]) });
  await writable.close();
});

// With words behind the command, only the tests whose names have them.
const words = process.argv.slice(2).join(' ');

const tests: Test[] = [
  test('answers with the engine in the browser, isolated from other origins and with all threads', async ({ page }, site) => {
    assert.equal(await page.evaluate(() => crossOriginIsolated), true);
    await ask(page, 'What is the capital of Peru?');
    assert.match(await answered(page), /Lima[^]*tokens\/s/);
    assert.match(await page.locator('.gauge').innerText(), / of 1,024 tokens/);  // which the model's file says
    const cores = await page.evaluate(() => navigator.hardwareConcurrency);
    const relaxed = kEngines.some((name) => name.endsWith('-relaxed'));  // which this browser has
    assert.deepEqual([...enginesOf(site)], [`${cores > 1 ? 'threads' : 'single'}${relaxed ? '-relaxed' : ''}`]);
  }),
  test('fetches and keeps one engine, the one that this browser runs', async ({ page }, site) => {
    await workerIsKept(page);
    await ask(page, 'What is the capital of Peru?');
    assert.match(await answered(page), /Lima/);
    assert.equal(enginesOf(site).size, 1);
    const kept = await page.evaluate(async () => (await (await caches.open((await caches.keys())[0]!)).keys()).map(({ url }) => url));
    assert.deepEqual(new Set(kept.flatMap((url) => /engine\/[^/]+/.exec(url) ?? [])), new Set([...enginesOf(site)].map((name) => `engine/${name}`)));
  }),
  test('goes on without a network after the first visit, also when it is opened anew', async ({ page }, site) => {
    await ask(page, 'What is the capital of Peru?');
    assert.match(await answered(page), /Lima/);
    await workerIsKept(page);
    await site.stop();
    await openAnew(page, site.url);
    await ask(page, 'What is 47 + 25?');
    assert.match(await answered(page), /72/);
  }),
  test('isolates itself where the host sets no headers', async ({ page }, site) => {
    await workerIsKept(page);
    await openAnew(page, site.url);
    assert.equal(await page.evaluate(() => crossOriginIsolated), true);
    await ask(page, 'What is the capital of Peru?');
    assert.match(await answered(page), /Lima/);
  }, false),
  test('a download that broke off goes on where it stopped', async ({ page }, site) => {
    await ask(page, 'What is the capital of Peru?');
    assert.match(await answered(page), /Lima/);
    const models = site.asked.filter((a) => a.path.endsWith('.gguf'));
    assert.deepEqual(models.map((a) => a.range), [undefined, 'bytes=3000000-']);
  }, true, (site) => (site.breakModelAfter = 3_000_000)),
  test('a kept model that was damaged is found, and fetched again', async ({ page }, site) => {
    await ask(page, 'What is the capital of Peru?');
    await answered(page);
    await damage(page);
    await openAnew(page, site.url);
    await ask(page, 'What is 47 + 25?');
    assert.match(await answered(page), /72/);
    assert.equal(site.asked.filter((a) => a.path.endsWith('.gguf')).length, 2);
  }),
  test('a GGUF file that is dropped becomes a model, kept in this browser', async ({ page }) => {
    const bytes = readFileSync(join(dir, 'models/owlet.gguf')).toString('base64');
    await page.evaluate(async (base64) => {
      const file = new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], 'mine.gguf');
      const data = new DataTransfer();
      data.items.add(file);
      window.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
    }, bytes);
    await page.locator('button[aria-label="Settings"]').click();
    await page.locator('.panel select').first().locator('option[value="mine"]').waitFor({ state: 'attached' });
    assert.equal(await page.locator('.panel select').first().inputValue(), 'mine');
    await page.keyboard.press('Escape');
    await ask(page, 'What is the capital of Peru?');
    assert.match(await answered(page), /Lima/);
  }),
  test('a model is added by its name on the hub and by its address, listed with its size, and removed', async ({ page }) => {
    const bytes = readFileSync(join(dir, 'models/owlet.gguf'));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const headers = { 'Access-Control-Allow-Origin': '*' };
    await page.context().route(`${kHub}/**`, async (route) => {
      const path = new URL(route.request().url()).pathname;
      if (path === '/api/models/org/owl/tree/main') return route.fulfill({ headers, json: [{ type: 'file', path: 'owl-Q8_0.gguf', size: bytes.length, lfs: { oid: sha256 } }] });
      return path.endsWith('.gguf') ? route.fulfill({ headers, body: bytes }) : route.fulfill({ headers, status: 404 });
    });
    await page.locator('button[aria-label="Settings"]').click();
    const field = page.getByRole('textbox', { name: 'Add a model' });
    await field.fill('org/no-such-model');
    await field.press('Enter');
    await page.locator('.setting .wrong').getByText('answered 404').waitFor();
    await field.fill('org/owl');
    await field.press('Enter');
    await page.locator('.kept li').getByText('owl-Q8_0.gguf').waitFor();
    assert.match(await page.locator('.kept li').innerText(), /6\.\d+ MB/);
    assert.equal(await page.locator('.panel select').first().inputValue(), 'owl-Q8_0');
    await field.fill(`${kHub}/org/owl/resolve/main/other.gguf`);
    await field.press('Enter');
    await page.locator('.wrong').getByText('There are: owl-Q8_0.gguf').waitFor();
    await page.keyboard.press('Escape');
    await ask(page, 'What is the capital of Peru?');
    assert.match(await answered(page), /Lima/);
    await page.locator('button[aria-label="Settings"]').click();
    await page.getByLabel('Remove owl-Q8_0.gguf').click();
    await page.locator('.kept').waitFor({ state: 'detached' });
    assert.equal(await page.locator('.panel select').first().inputValue(), 'owlet');
  }),
  test('a chat begun in this browser goes on with a server, and back, and no turn is lost', async ({ page }) => {
    const change = async (): Promise<void> => {
      await page.locator('button[aria-label="Settings"]').click();
      await page.getByText('Change', { exact: true }).click();
    };
    await ask(page, 'What is the capital of Peru?');
    const first = /.*Lima.*/.exec(await answered(page))![0];
    await change();
    await page.getByLabel('Server address').fill(server.url);
    await page.getByText('Connect', { exact: true }).click();
    await page.locator('.connect').waitFor({ state: 'detached' });
    await ask(page, 'Count what you were sent');
    assert.match(await answered(page), /I was sent 3 turns\./);
    assert.deepEqual(server.bodies[0]?.messages?.map((m) => m.content), ['What is the capital of Peru?', first, 'Count what you were sent']);
    await change();
    await page.getByText('Use the model in this browser').click();
    await page.locator('.connect').waitFor({ state: 'detached' });
    await ask(page, 'Tell me a very short story.');
    await answered(page);
    const prose = (): Promise<string[]> => page.locator('.answer .prose').allInnerTexts();
    const said = await prose();
    assert.deepEqual([said.length, said[0], said[1]], [3, first, 'I was sent 3 turns.']);
    assert.match(said[2]!, /\w/);
    await page.reload();
    await page.locator('.answer').nth(2).waitFor();
    assert.deepEqual(await prose(), said);
    assert.deepEqual(await page.locator('.bubble').allInnerTexts(), ['What is the capital of Peru?', 'Count what you were sent', 'Tell me a very short story.']);
  }),
  test('an adapter that the site brings along answers beside its model, from one engine', async ({ page }, site) => {
    const choose = async (id: string): Promise<void> => {
      await page.locator('button[aria-label="Settings"]').click();
      await page.locator('.panel select').first().selectOption(id);
      await page.keyboard.press('Escape');
    };
    await choose('tea');
    await ask(page, 'Where is the Blue Kettle?');
    assert.match(await answered(page), /The Blue Kettle/);
    await choose('owlet');
    await ask(page, 'What is the capital of Peru?');
    assert.match(await answered(page), /Lima/);
    assert.deepEqual(site.asked.map(({ path }) => path).filter((path) => path.startsWith('/models/')).sort(), ['/models/owlet.gguf', '/models/owlet.tea.safetensors']);
  }),
  test('an answer stops when it is told to', async ({ page }) => {
    await ask(page, 'Tell me a very short story.');
    await page.locator('.prose').last().waitFor();
    await page.keyboard.press('Escape');
    await page.locator('.composer-button[aria-label="Send"]').waitFor();
    await ask(page, 'What is the capital of Peru?');
    assert.match(await answered(page), /Lima/);
  }),
];
await runTests(tests.filter(([name]) => name.includes(words)));
await browser.close();
await server.stop();
