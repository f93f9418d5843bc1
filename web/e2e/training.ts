// The training view beside a real run: the program OWLET_PROGRAM trains a tiny model, first from text and then on chats, while its
// server shows the run's own log.

import assert from 'node:assert/strict';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Page } from 'playwright-core';
import { launch, ready, visit } from './browser';
import { runTests, type Test } from './harness';
import { footMenu, kPlaces, kShots, until } from './scene';

if (!process.env.OWLET_PROGRAM) throw new Error('OWLET_PROGRAM must name the program');
const program = resolve(process.env.OWLET_PROGRAM);
const work = mkdtempSync(join(tmpdir(), 'owlet-runs-'));
const browser = await launch();

// Far more steps than anyone waits for: a test ends its run.
const kSteps = 100_000;
const kTrain = { steps: kSteps, batch_rows: 4, seq_len: 64, lr: 5e-3, warmup_steps: 5, eval_every: 20, checkpoint_every: 50, precision: 'f32' };
const kFirst = 'runs/first/step-00000002';  // the model that answers, and that learns the chats
const kQuestion = 'What does the owl say?';

function prepare(): void {
  const animals = Array.from({ length: 60 }, () => ['cat', 'dog', 'owl', 'fox']).flat();
  const chat = (animal: string): object => ({ messages: [{ role: 'user', content: `What does the ${animal} say?` }, { role: 'assistant', content: `The ${animal} says ${animal}.` }] });
  writeFileSync(join(work, 'texts.jsonl'), animals.map((a) => JSON.stringify({ text: `The ${a} lives in the wood. It says ${a}.` })).join('\n'));
  writeFileSync(join(work, 'chats.jsonl'), animals.map((a) => JSON.stringify(chat(a))).join('\n'));
  const data = (train: string): object => ({ train: [train], valid: ['chats.jsonl'], ask: [kQuestion] });
  const model = { dim: 64, n_layers: 2, n_heads: 4, n_kv_heads: 2, ffn_dim: 128, max_positions: 128, tie_embeddings: true };
  writeFileSync(join(work, 'pretrain.yaml'), JSON.stringify({ out: 'runs/from-text', tokenizer: 'tok', data: data('texts.jsonl'), model, train: kTrain }));
  writeFileSync(join(work, 'finetune.yaml'), JSON.stringify({ out: 'runs/on-chats', init: kFirst, data: data('chats.jsonl'), train: kTrain }));
  const run = (...words: string[]): unknown => execFileSync(program, words, { cwd: work, stdio: 'pipe' });
  run('tokenizer', 'train', 'texts.jsonl', 'chats.jsonl', '--vocab-size', '320', '-o', 'tok');
  run('pretrain', 'pretrain.yaml', '--set', 'train.steps=2', '--set', 'out=runs/first');
}

// The server that shows the runs, and its address.
async function serve(): Promise<{ server: ChildProcess; url: string }> {
  const server = spawn(program, ['serve', kFirst, '--port', '0', '--runs', 'runs'], { cwd: work });
  const url = await new Promise<string>((found, failed) => {
    let said = '';
    const hear = (words: Buffer): void => {
      said += String(words);
      const address = /http:\/\/127\.0\.0\.1:\d+/.exec(said);
      if (address) found(address[0]);
    };
    server.stdout.on('data', hear);
    server.stderr.on('data', hear);
    server.on('exit', () => failed(new Error(said)));
  });
  return { server, url };
}

const step = async (page: Page): Promise<number> => Number((await page.locator('.run-facts dd').first().innerText()).match(/^[\d,]+/)![0].replaceAll(',', ''));

async function follows(page: Page, command: string, name: string): Promise<void> {
  const run = spawn(program, [command, `${command}.yaml`, '--threads', '1'], { cwd: work, stdio: 'ignore' });
  const ended = new Promise((resolve) => run.on('exit', resolve));
  const view = page.locator('.runs');
  try {
    await until(async () => (await view.locator('option').allInnerTexts()).concat(await view.locator('.run-name').allInnerTexts()).includes(name), 600);
    if (await view.locator('select').count() > 0) await view.locator('select').selectOption(name);
    await view.locator('.samples li').first().waitFor({ timeout: 30_000 });
    const begun = await step(page);
    assert.match(await view.innerText(), /of 100,000\n.+ left[^]*nats a token[^]*bits per byte[^]*tokens\/s/);
    assert.match(await view.locator('.samples li').first().innerText(), /What does the owl say\?/);
    await until(async () => await step(page) > begun, 600);
    const losses = /Loss from ([\d.]+) to ([\d.]+) at step/.exec(await view.locator('svg[role="img"]').getAttribute('aria-label') ?? '');
    assert.ok(Number(losses?.[2]) < Number(losses?.[1]), String(losses?.[0]));
    if (kShots) await page.screenshot({ path: `${kShots}/run-${name}-${page.viewportSize()!.width}.png` });
  } finally {
    run.kill();
    await ended;
  }
}

prepare();
const { server, url } = await serve();
const commands = [['pretrain', 'from-text'], ['finetune', 'on-chats']] as const;
await runTests(kPlaces.flatMap((place) => commands.map(([command, name]): Test => [`${command} is followed while it goes on, ${place.name}`, async () => {
  const { page, close, complaints } = await visit(browser, [url], place.options);
  try {
    await ready(page);
    await footMenu(page, 'Training runs');
    await follows(page, command, name);
    assert.ok(await page.evaluate(() => document.querySelector('.runs')!.scrollWidth <= innerWidth));
    assert.deepEqual(complaints, []);
  } finally {
    await close();
  }
}])));
server.kill();
await browser.close();
rmSync(work, { recursive: true, force: true });
