// Every state of the page at 1280 and 390 pixels, dark and light: nothing is cut off, and axe finds nothing wrong. With
// OWLET_SHOTS=FOLDER a picture of each is left there.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { answered, ask } from './browser';
import type { Test } from './harness';
import { kSecondModel, model } from './mock-server';
import { testsOf } from './scene';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const folder = process.env.OWLET_SHOTS;

export function lookTests(browser: Browser): Test[] {
  const test = testsOf(browser);
  return [1280, 390].flatMap((width) => (['light', 'dark'] as const).map((colorScheme) => {
    const narrow = width < 760;
    const options: BrowserContextOptions = { viewport: { width, height: narrow ? 844 : 800 }, colorScheme, isMobile: narrow, hasTouch: narrow, reducedMotion: 'reduce' };
    return test(`every state is sound, ${width} pixels, ${colorScheme}`, async ({ page }) => {
      const look = (state: string): Promise<void> => check(page, state, `${state}-${width}-${colorScheme}`, width);
      await look('empty');
      await ask(page, 'A story, slow please');
      await page.locator('.prose').waitFor();
      await look('arriving');
      await page.locator('.composer-button').click();
      await ask(page, 'Show me a table and code');
      await answered(page);
      await page.locator('.hl-keyword').first().waitFor();
      await look('rich');
      await ask(page, 'Please think about 47 + 25');
      await answered(page);
      await page.locator('.thoughts summary').click();
      await look('thought');
      await ask(page, 'Please refuse');
      await answered(page);
      await look('refused');
      await settings(page, look);
      await ask(page, 'A formula and nothing else');
      await answered(page);
      await page.locator('math').first().waitFor();
      await look('two answers');
      await page.getByLabel('Show tokens').last().click();
      await page.getByLabel('Show tokens').nth(-2).click();
      await page.locator('.token').nth(3).focus();
      await look('tokens');
      await chats(page, look, narrow);
    }, options, { models: [model(), model(kSecondModel)], runs: [kRun, { ...kRun, name: 'second' }] });
  }));
}

async function settings(page: Page, look: (state: string) => Promise<void>): Promise<void> {
  await page.locator('button[aria-label="Settings"]').click();
  await page.getByText('More about drawing words').click();
  await page.getByLabel('Token probabilities').check();
  await page.getByLabel('Second model').selectOption(kSecondModel);
  await look('settings');
  await page.locator('.scope').getByText('This chat').click();
  await look('settings of a chat');
  await page.locator('.panel button[aria-label="Close"]').click();
}

async function chats(page: Page, look: (state: string) => Promise<void>, narrow: boolean): Promise<void> {
  if (narrow) await page.getByLabel('Show chats').click();
  await page.locator('.find').fill('hydrogen');
  await page.locator('.chat-line').waitFor();
  await page.locator('.chat-row.current').hover();
  await page.locator('.chat-row.current button[aria-haspopup="menu"]').click();
  await look('chats');
  await page.keyboard.press('Escape');
  await page.locator('.keys-button').click();
  await look('keys');
  await page.keyboard.press('Escape');
  await page.locator('.sidebar-foot button[aria-haspopup="menu"]').click();
  await page.getByRole('menuitem', { name: 'Training runs' }).click();
  await page.locator('.chart svg').waitFor();
  await look('training');
}

// A run in its middle.
const kRun = {
  name: 'tinystories-12m', step: 1240, steps: 8000, tokens: 5_078_400, tokens_per_second: 5210, seconds_left: 4320, step_seconds: 0.8, idle_seconds: 1,
  loss: Array.from({ length: 310 }, (_, i) => [4 * i + 4, 2.6 + 6.4 * Math.exp(-i / 40) + 0.12 * Math.sin(i * 12.9898)]),
  validations: [200, 400, 600, 800, 1000, 1200].map((step) => ({ step, loss: 2.62 + 6.4 * Math.exp(-step / 170), bits_per_byte: 1.31 })),
  choices: { arc_easy: { step: 1200, accuracy: 0.412 } },
  answers: [1000, 1200].flatMap((step) => [{ step, question: 'What is the capital of Peru?', answer: step < 1200 ? 'The capital of is the of the.' : 'The capital of Peru is Lima.' },
    { step, question: 'Tell me a very short story.', answer: 'Once a small owl could not sleep by day. So she asked the sun to wait a little.' }]),
};

async function check(page: Page, state: string, name: string, width: number): Promise<void> {
  if (folder) await page.screenshot({ path: `${folder}/${name.replaceAll(' ', '-')}.png` });
  const wide = await page.evaluate(() => Math.max(document.documentElement.scrollWidth, document.querySelector('.thread-view')!.scrollWidth));
  assert.ok(wide <= width, `${state} is ${wide} pixels wide`);
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run(context: Document, options: object): Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }> } };
    const { violations } = await axe.run(document, { resultTypes: ['violations'] });
    return violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.html.slice(0, 160)} — ${n.failureSummary}`).join('\n')}`);
  });
  assert.deepEqual(found, [], state);
}
