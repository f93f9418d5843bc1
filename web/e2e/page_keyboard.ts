// Everything by keyboard alone: what can be done can be reached with Tab, shows that it has the focus, and works with Enter.

import assert from 'node:assert/strict';
import type { Browser, Locator, Page } from 'playwright-core';
import { answered } from './browser';
import type { Test } from './harness';
import { kSecondModel, model } from './mock-server';
import { clipboard, saved, testsOf, type Place } from './scene';

export function keyboardTests(browser: Browser, place: Place): Test[] {
  const test = testsOf(browser, place);
  return [
    test('keys alone: asking, editing, branches, copying, tokens', async ({ page }) => {
      await page.locator('.composer-field:focus').waitFor();
      await type(page, 'Hello', 'Enter');
      await answered(page);
      await press(page, 'ArrowUp');
      await page.locator('.edit textarea:focus').waitFor();
      await press(page, 'Control+a');
      await type(page, 'What is the capital of Peru?', 'Enter');
      await answered(page);
      await reach(page, page.locator('.question').getByLabel('Show the one before'));
      await page.locator('.bubble').getByText('Hello').waitFor();
      await reach(page, page.locator('.question').getByLabel('Show the next one'));
      const answer = page.locator('.answer');
      await reach(page, answer.getByLabel('Copy', { exact: true }));
      await answer.getByLabel('Copied').waitFor();
      assert.equal(await clipboard(page), 'The capital of Peru is Lima.');
      await reach(page, answer.getByLabel('Ask again'));
      await answer.locator('.branches').getByText('2/2').waitFor();
      await answered(page);
      await reach(page, answer.getByLabel('Show tokens'));
      await page.locator('.token').nth(3).waitFor();
      await reach(page, page.locator('.token').first(), 'ArrowRight');
      await page.locator('.token:focus').getByText('capita').waitFor();
    }),

    test('keys alone: settings, colours, language', async ({ page, mock }) => {
      await reach(page, page.getByLabel('Settings', { exact: true }));
      await reach(page, page.getByRole('spinbutton', { name: 'Temperature' }), 'Control+a');
      await type(page, '0');
      await reach(page, page.getByLabel('System prompt', { exact: true }), 'End');
      await type(page, 'Be brief.');
      await reach(page, page.getByText('More about drawing words'));
      await reach(page, page.getByLabel('Token probabilities'), 'Space');
      await press(page, 'Escape');
      await page.locator('.panel').waitFor({ state: 'detached' });
      const ground = (): Promise<string> => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const before = await ground();
      await reach(page, page.getByLabel(/^Colours/));
      if (await ground() === before) await press(page, 'Enter');  // from the system's to the same, and on
      assert.notEqual(await ground(), before);
      await reach(page, page.locator('.composer-field'), 'End');
      await type(page, 'Hello', 'Enter');
      await answered(page);
      assert.equal(mock.bodies[0]?.temperature, 0);
      assert.equal(mock.bodies[0]?.messages?.[0]?.content, 'Be brief.');
      assert.equal(mock.bodies[0]?.logprobs, true);
    }),

    test('keys alone: chats renamed, saved, deleted, brought back', async ({ page }) => {
      await type(page, 'Hello', 'Enter');
      await answered(page);
      await press(page, 'Control+k');
      await page.locator('.find:focus').waitFor();
      const menu = page.locator('.chat-row').getByRole('button', { name: /^More/ });
      const pick = async (action: string): Promise<void> => {
        await reach(page, menu);
        await page.locator('[role="menuitem"]:focus').waitFor();
        while (await page.locator('[role="menuitem"]:focus').innerText() !== action) await press(page, 'ArrowDown');
        await press(page, 'Enter');
      };
      await pick('Rename');
      await page.locator('.rename:focus').waitFor();
      await type(page, 'Greeting', 'Enter');
      await page.locator('.chat-name').getByText('Greeting').waitFor();
      assert.match(await saved(page, () => pick('Save as Markdown')), /^# Greeting/);
      await pick('Delete');
      await reach(page, page.getByText('Undo'));
      await page.locator('.chat-name').getByText('Greeting').waitFor();
      await reach(page, page.locator('.keys-button'));
      await page.locator('dialog.keys').waitFor();
      await press(page, 'Escape');
      await reach(page, page.locator('.sidebar-foot').getByRole('button', { name: 'More' }));
      await press(page, 'ArrowUp');
      await page.locator('[role="menuitem"]:focus').getByText('Training runs').waitFor();
      await press(page, 'Enter');
      await page.locator('.runs').waitFor();
      await press(page, 'Escape');
      await page.locator('.runs').waitFor({ state: 'detached' });
    }),

    test('keys alone: files, two answers, another model', async ({ page }) => {
      const [chooser] = await Promise.all([page.waitForEvent('filechooser'), reach(page, page.getByLabel('Add a text file'))]);
      await chooser.setFiles({ name: 'owl.txt', mimeType: 'text/plain', buffer: Buffer.from('Owls.') });
      await reach(page, page.getByLabel('Remove owl.txt'));
      await page.locator('.attached').waitFor({ state: 'detached' });
      await press(page, 'Control+,');
      await reach(page, page.getByLabel('Second model'), 'End');
      await press(page, 'Escape');
      await page.locator('.panel').waitFor({ state: 'detached' });
      await reach(page, page.locator('.composer-field'), 'End');
      await type(page, 'What is the capital of Peru?', 'Enter');
      await answered(page);
      await reach(page, page.getByText('Go on with this answer'));
      await page.locator('.pair-side.chosen').getByText('The second model says so.').waitFor();
      await reach(page, page.getByLabel('Model', { exact: true }), 'End');
      assert.equal(await page.getByLabel('Model', { exact: true }).inputValue(), kSecondModel);
    }, {}, { models: [model(), model(kSecondModel)] }),
  ];
}

const kMostStops = 80;

// Goes to a control with Tab and presses a key there.
async function reach(page: Page, target: Locator, key = 'Enter'): Promise<void> {
  await target.waitFor();
  const here = (): Promise<boolean> => target.evaluate((element) => element === document.activeElement);
  for (let i = 0; i < kMostStops && !(await here()); i++) await press(page, 'Tab');
  assert.ok(await here(), `Tab does not lead to ${String(target)}`);
  const seen = await target.evaluate((element) => {
    const shows = (e: Element): boolean => getComputedStyle(e).outlineStyle !== 'none' || getComputedStyle(e).boxShadow !== 'none';
    return shows(element) || [...document.querySelectorAll(':focus-within')].some((e) => e.matches('.composer') && shows(e));
  });
  assert.ok(seen, `${String(target)} does not show its focus`);
  await press(page, key);
}

function press(page: Page, key: string): Promise<void> {
  return page.keyboard.press(key);
}

async function type(page: Page, words: string, ...keys: string[]): Promise<void> {
  await page.keyboard.type(words);
  for (const key of keys) await press(page, key);
}
