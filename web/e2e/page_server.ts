// What must hold with whatever model the server has.

import assert from 'node:assert/strict';
import type { Browser } from 'playwright-core';
import { answered, ask, ready, visit, type Visit } from './browser';
import type { Test } from './harness';

export function serverTests(browser: Browser, url: string): Test[] {
  const test = (name: string, body: (v: Visit) => Promise<void>): Test => [name, async () => {
    const v = await visit(browser, [url]);
    try {
      await ready(v.page);
      await body(v);
      assert.deepEqual(v.complaints, [], 'errors in the console');
      assert.deepEqual(v.strangers, [], 'requests to other hosts');
    } finally {
      await v.close();
    }
  }];

  return [
    test('the page shows the model and its size', async ({ page }) => {
      assert.match(await page.locator('.empty-model').innerText(), /.+ · [\d.]+ (kB|MB|GB)/);
    }),
    test('an example is answered, with its numbers', async ({ page }) => {
      await page.locator('.examples button').first().click();
      const answer = await answered(page);
      assert.match(answer, /\w/);
      assert.match(answer, /[\d.,]+ tokens\/s · \d+ tokens? · first token [\d.]+ m?s/);
    }),
    test('the same seed gives the same answer', async ({ page }) => {
      await page.locator('button[aria-label="Settings"]').click();
      await page.getByLabel('Seed').fill('7');
      await page.keyboard.press('Escape');
      await ask(page, 'Tell me a very short story.');
      await answered(page);
      const first = await page.locator('.prose').last().innerText();
      await page.locator('.answer .facts button[aria-label="Ask again"]').click();
      await page.getByText('2/2').waitFor();
      await answered(page);
      assert.equal(await page.locator('.prose').last().innerText(), first);
    }),
    test('a chat survives a reload', async ({ page }) => {
      await ask(page, 'What is the capital of Peru?');
      const answer = await answered(page);
      await page.reload();
      assert.equal(await answered(page), answer);
    }),
    test('a message longer than the context is refused with both numbers', async ({ page }) => {
      await ask(page, 'word '.repeat(40_000));
      assert.match(await answered(page), /longer than the model can read[^]*[\d,]+ tokens, of [\d,]+ that fit/);
    }),
  ];
}
