// One chat: its turns and branches, what an answer shows, and which model gives it, with which settings.

import assert from 'node:assert/strict';
import type { Browser } from 'playwright-core';
import { answered, ask, ready } from './browser';
import type { Test } from './harness';
import { kModel, kSecondModel, model } from './mock-server';
import { clipboard, openChat, testsOf, type Place } from './scene';

export function turnTests(browser: Browser, place: Place): Test[] {
  const test = testsOf(browser, place);
  const two = { models: [model(), model(kSecondModel)] };
  const loads = { models: [model(), model(kSecondModel)] };  // what changes while a test looks on
  return [
    test('edit and ask again make branches', async ({ page, mock }) => {
      await ask(page, 'First?');
      await answered(page);
      await page.locator('.answer button[aria-label="Ask again"]').click();
      await page.locator('.answer .branches').getByText('2/2').waitFor();
      await answered(page);
      await page.locator('.composer-field').focus();
      await page.keyboard.press('ArrowUp');
      await page.locator('.edit textarea').fill('What is the capital of Peru?');
      await page.keyboard.press('Enter');
      await page.locator('.question .branches').getByText('2/2').waitFor();
      assert.match(await answered(page), /Lima/);
      assert.deepEqual(mock.bodies[2]?.messages, [{ role: 'user', content: 'What is the capital of Peru?' }]);
      await page.locator('.question').hover();
      await page.locator('.question button[aria-label="Show the one before"]').click();
      await page.locator('.bubble').getByText('First?').waitFor();
      await page.locator('.answer .branches').getByText('2/2').waitFor();
    }),

    test('thoughts are one line, then fold, and are not copied', async ({ page }) => {
      await ask(page, 'Please think slowly about 47 + 25');
      await page.getByText(/Thinking… [12] s/).waitFor();
      assert.match(await answered(page), /^Thought for \d s[^]*47 \+ 25 = 72\./);
      assert.equal(await page.locator('.thoughts-text').isVisible(), false);
      await page.locator('.answer button[aria-label="Copy"]').click();
      await page.locator('.answer button[aria-label="Copied"]').waitFor();
      assert.equal(await clipboard(page), '47 + 25 = **72**.');
      await page.locator('.thoughts summary').click();
      assert.match(await page.locator('.thoughts-text').innerText(), /carry 1/);
    }),

    test('tables and code are drawn, and code is copied', async ({ page }) => {
      await ask(page, 'Show me a table and code');
      await answered(page);
      assert.equal(await page.locator('.prose tbody tr').count(), 3);
      await page.locator('button[aria-label="Copy code"]').click();
      await page.locator('.code button[aria-label="Copied"]').waitFor();
      assert.match(await clipboard(page), /^def add\(a, b\):\n {4}"""Adds two numbers\."""\n {4}return a \+ b$/);
    }),

    test('an answer goes on where it was stopped', async ({ page, mock }) => {
      await ask(page, 'A story, slow please');
      await page.locator('.prose').getByText('Once a small owl').waitFor();
      await page.keyboard.press('Escape');
      await answered(page);
      const begun = (await page.locator('.prose').innerText()).trim();
      await page.locator('button[aria-label="Go on"]').click();
      await page.locator('.prose').getByText('first one awake').waitFor();
      assert.match(await answered(page), /^Once a small owl could not sleep by day\.[^]*first one awake\./);
      assert.doesNotMatch(await page.locator('.answer').innerText(), /Stopped/);
      assert.equal(mock.bodies[1]?.continue_final_message, true);
      assert.equal(mock.bodies[1]?.messages?.[1]?.role, 'assistant');
      assert.ok(begun.startsWith(mock.bodies[1]!.messages![1]!.content.trim()));
      assert.equal(await page.locator('.answer .branches').count(), 0);
    }),

    test('formulas and colours of code come when they are needed', async ({ page }) => {
      assert.equal(await page.locator('#part-math').getAttribute('type'), 'text/plain');
      await ask(page, 'A formula please');
      await answered(page);
      await page.locator('math').nth(2).waitFor();
      assert.equal(await page.locator('.formula math mfrac').count(), 1);
      assert.match(await page.locator('.prose').innerText(), /costs \$5 and \$6\./);
      assert.equal(await page.locator('math a, math [href]').count(), 0);
      await ask(page, 'Show me a table and code');
      await answered(page);
      await page.locator('.hl-keyword').first().waitFor();
      assert.deepEqual(await page.locator('.hl-keyword').allInnerTexts(), ['def', 'return']);
    }),

    test('a chat has settings of its own', async ({ page, mock }) => {
      await page.keyboard.press('Control+,');
      await page.locator('.scope').getByText('This chat').click();
      await page.getByLabel('System prompt').fill('Only in this one.');
      await page.getByRole('spinbutton', { name: 'Temperature' }).fill('0.2');
      await page.keyboard.press('Control+,');
      await ask(page, 'Hello');
      await answered(page);
      assert.equal(mock.bodies[0]?.messages?.[0]?.content, 'Only in this one.');
      assert.equal(mock.bodies[0]?.temperature, 0.2);
      await page.keyboard.press('Control+Shift+O');
      await ready(page);
      await ask(page, 'Hello again');
      await answered(page);
      assert.equal(mock.bodies[1]?.messages?.[0]?.role, 'user');
      assert.equal(mock.bodies[1]?.temperature, 0.6);
      await openChat(page, /^Hello$/);
      await page.reload();
      await ask(page, 'And now?');
      await answered(page);
      assert.equal(mock.bodies[2]?.messages?.[0]?.content, 'Only in this one.');
    }),

    test('a model that is being loaded says how far it is', async ({ page }) => {
      const loading = loads.models[1] as { status?: object };
      loading.status = { value: 'unloaded' };
      await page.locator('.status-models').selectOption(kSecondModel);
      await ask(page, 'A story, slow please');
      loading.status = { value: 'loading', progress: 0.25 };
      await page.getByText('Loading, 25%').waitFor();
      assert.equal(await page.locator('.status-load').getAttribute('value'), '0.25');
      loading.status = { value: 'loaded' };
      await page.locator('.status-load').waitFor({ state: 'detached' });
      assert.match(await answered(page), /The second model says so\./);
    }, {}, loads),

    test('a model that loads says how far it is', async ({ page }) => {
      await page.getByLabel('Model', { exact: true }).selectOption(kSecondModel);
      await page.locator('.status').getByText('Loading, 40%').waitFor();
      assert.equal(await page.locator('progress').getAttribute('value'), '0.4');
      await page.locator('.composer-field').fill('Hello');
      assert.equal(await page.getByLabel('Send').isDisabled(), true);
    }, {}, { models: [model(), { ...model(kSecondModel), status: { value: 'loading', progress: 0.4 } }] }),

    test('the gauge shows how full the context is', async ({ page }) => {
      assert.equal(await page.locator('meter').count(), 0);
      await ask(page, 'A long one');
      await answered(page);
      const value = Number(await page.locator('meter').getAttribute('value'));
      assert.ok(value > 900, String(value));
      await page.locator('.gauge-full span').getByText(/^[\d,]+ of 1,024 tokens$/).waitFor();
    }),

    test('two models answer side by side; the chat goes on with either', async ({ page, mock }) => {
      await page.keyboard.press('Control+,');
      await page.getByLabel('Second model').selectOption(kSecondModel);
      await page.keyboard.press('Control+,');
      await ask(page, 'What is the capital of Peru?');
      await page.locator('.pair-side').nth(1).getByText('The second model says so.').waitFor();
      await answered(page);
      assert.deepEqual(mock.bodies.map((b) => b.model).sort(), [kModel, kSecondModel]);
      await page.getByText('Go on with this answer').click();
      await page.locator('.pair-side.chosen').getByText('The second model says so.').waitFor();
      await page.getByLabel('Model', { exact: true }).selectOption(kSecondModel);
      await ask(page, 'Are you sure?');
      await answered(page);
      assert.equal(mock.bodies[2]?.model, kSecondModel);
      assert.equal(mock.bodies[2]?.messages?.[1]?.content, 'The second model says so.');
    }, {}, two),

    test('token probabilities: hover, and a branch from there', async ({ page, mock }) => {
      await page.keyboard.press('Control+,');
      await page.getByText('More about drawing words').click();
      await page.getByLabel('Token probabilities').check();
      await page.keyboard.press('Control+,');
      await ask(page, 'What is the capital of Peru?');
      await answered(page);
      await page.getByLabel('Show tokens').click();
      const tokens = page.locator('.token');
      assert.equal((await tokens.allInnerTexts()).join(''), 'The capital of Peru is Lima.');
      await tokens.nth(6).hover();
      await page.locator('.instead').getByText(' Quito').waitFor();
      assert.match(await page.locator('.instead').innerText(), /Lima[^]*\d+(\.\d)?%[^]*Quito/);
      await page.locator('.instead button').first().click();
      await page.locator('.answer .branches').getByText('2/2').waitFor();
      assert.match(await answered(page), /^The capital of Peru is Quito And so it went on\./);
      assert.equal(mock.bodies[1]?.messages?.[1]?.content, 'The capital of Peru is Quito');
    }),

    test('tokens as the tokenizer cuts them', async ({ page }) => {
      await ask(page, 'What is the capital of Peru?');
      await answered(page);
      await page.getByLabel('Show tokens').click();
      await page.locator('.token').nth(5).waitFor();
      assert.equal((await page.locator('.token').allInnerTexts()).join(''), 'The capital of Peru is Lima.');
      await page.locator('.token').first().focus();
      await page.keyboard.press('ArrowRight');
      await page.locator('.instead').getByText('token 1').waitFor();
    }),
  ];
}
