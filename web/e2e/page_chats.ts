// What stands around a chat: the list of chats, files in and out, drafts, other tabs, languages, and training runs.

import assert from 'node:assert/strict';
import type { Browser } from 'playwright-core';
import { answered, ask, ready } from './browser';
import type { Test } from './harness';
import { kModel } from './mock-server';
import { chatMenu, clipboard, dropFile, footMenu, frames, giveFile, longChat, openChat, saved, showChats, testsOf, titles, until, type Place } from './scene';

export function chatTests(browser: Browser, place: Place): Test[] {
  const test = testsOf(browser, place);
  const runs = [...kRuns.map((run) => ({ ...run }))];  // they change while a test looks on
  return [
    test('several chats: found, renamed, deleted, brought back, kept', async ({ page }) => {
      await ask(page, 'What is the capital of Peru?');
      await answered(page);
      await page.keyboard.press('Control+Shift+O');
      await ready(page);
      await ask(page, 'Hello');
      await answered(page);
      assert.deepEqual(await titles(page), ['Hello', 'What is the capital of Peru?']);
      await page.keyboard.press('Control+k');
      await page.locator('.find:focus').waitFor();
      await page.keyboard.type('peru');
      await page.keyboard.press('Enter');
      await page.getByText('The capital of Peru is Lima.').first().waitFor();
      await chatMenu(page, 'Rename');
      await page.keyboard.type('Peru');
      await page.keyboard.press('Enter');
      assert.deepEqual(await titles(page), ['Hello', 'Peru']);
      await chatMenu(page, 'Delete');
      await page.locator('.toast').getByText('Undo').click();
      assert.equal((await titles(page)).length, 2);
      await openChat(page, 'Hello');
      await page.reload();
      assert.match(await answered(page), /I am a small model/);
      assert.deepEqual(await titles(page), ['Hello', 'Peru']);
      await page.goBack();
      await page.getByText('The capital of Peru is Lima.').first().waitFor();
    }),

    test('settings are marked, sent, kept and reset', async ({ page, mock }) => {
      await page.locator('button[aria-label="Settings"]').click();
      await page.getByRole('spinbutton', { name: 'Temperature' }).fill('0');
      await page.getByLabel('Seed').fill('7');
      await page.getByLabel('System prompt').fill('Be brief.');
      await page.getByLabel('Length').fill('3');
      assert.equal(await page.locator('.setting-mark').count(), 4);
      await page.reload();
      await ready(page);
      await ask(page, 'Hello');
      assert.match(await answered(page), /length limit/);
      assert.deepEqual(mock.bodies[0]?.messages?.[0], { role: 'system', content: 'Be brief.' });
      assert.deepEqual({ ...mock.bodies[0], messages: null }, {
        model: kModel, messages: null, temperature: 0, top_p: 0.95, max_tokens: 3, seed: 7, stream: true, stream_options: { include_usage: true },
      });
      await page.locator('button[aria-label="Settings (4 changed)"]').click();
      await page.locator('button[aria-label="Reset: Temperature"]').click();
      assert.equal(await page.locator('.setting-mark').count(), 3);
      await page.getByText('Reset all').click();
      assert.equal(await page.locator('.setting-mark').count(), 0);
    }),

    test('what was said is found in every chat', async ({ page }) => {
      await ask(page, 'What is the capital of Peru?');
      await answered(page);
      await page.keyboard.press('Control+Shift+O');
      await ask(page, 'Hello');
      await answered(page);
      await page.keyboard.press('Control+k');
      await page.locator('.find:focus').waitFor();
      await page.keyboard.type('LIMA');
      await page.locator('.chat-line', { hasText: '…of Peru is Lima.' }).waitFor();
      await page.locator('.chat-row').nth(1).waitFor({ state: 'detached' });
      assert.equal(await page.locator('.chat-row').count(), 1);
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('Enter');
      await page.locator('.prose').getByText('The capital of Peru is Lima.').waitFor();
      await page.keyboard.press('Control+k');
      await page.locator('.find:focus').waitFor();
      await page.locator('.find').fill('nobody said this');
      await page.getByText('No chat says that.').waitFor();
    }),

    test('a pinned chat stays on top, by keyboard alone', async ({ page }) => {
      for (const question of ['One', 'Two']) {
        await page.keyboard.press('Control+Shift+O');
        await ask(page, question);
        await answered(page);
      }
      assert.deepEqual(await titles(page), ['Two', 'One']);
      await page.keyboard.press('Control+k');
      await page.locator('.find:focus').waitFor();
      for (const key of ['ArrowDown', 'ArrowDown', 'Tab', 'Enter']) await page.keyboard.press(key);
      await page.locator('[role="menuitem"]:focus').waitFor();
      await page.keyboard.press('ArrowDown');
      assert.equal(await page.locator('[role="menuitem"]:focus').innerText(), 'Pin');
      await page.keyboard.press('Enter');
      await page.locator('[aria-label="Pinned"]').waitFor();
      assert.deepEqual(await page.locator('.chat-name').allInnerTexts(), ['One', 'Two']);
      await until(() => page.evaluate(keepsPinned));
      await page.reload();
      await showChats(page);
      await page.locator('.chat-name').nth(1).waitFor();
      assert.deepEqual(await titles(page), ['One', 'Two']);
    }),

    test('a training run is followed while it goes on', async ({ page }) => {
      await footMenu(page, 'Training runs');
      const view = page.locator('.runs');
      await view.getByText('3 of 10').waitFor();
      assert.match(await view.innerText(), /first[^]*3 of 10[^]*1 min 10 sec left[^]*3\.25[^]*1\.5 bits per byte[^]*640 tokens\/s[^]*Who are you\?[^]*<b>An owl<\/b>/);
      assert.match(await view.locator('svg[role="img"]').getAttribute('aria-label') ?? '', /Loss from 4 to 3.25 at step 3/);
      Object.assign(runs[0]!, { step: 10, seconds_left: 0 });
      await view.getByText('finished').waitFor();
      await view.locator('select').selectOption('second');
      await view.getByText('no news for 2 hr').waitFor();
      await page.keyboard.press('Escape');
      await view.waitFor({ state: 'detached' });
    }, {}, { runs }),

    test('a server without training runs says how to show some', async ({ page }) => {
      await footMenu(page, 'Training runs');
      await page.locator('.runs').getByText('--runs').waitFor();
    }),

    test('chats leave as files and come back', async ({ page }) => {
      await ask(page, 'What is the capital of Peru?');
      await answered(page);
      assert.equal(await saved(page, () => chatMenu(page, 'Save as Markdown')), `# What is the capital of Peru?\n\n**You**\n\nWhat is the capital of Peru?\n\n**${kModel}**\n\nThe capital of Peru is Lima.\n`);
      await chatMenu(page, 'Copy as Markdown');
      await page.locator('.toast').getByText('Copied').waitFor();
      assert.match(await clipboard(page), /^# What is[^]*Lima\.\n$/);
      const file = await saved(page, () => footMenu(page, 'Save all chats'));
      await chatMenu(page, 'Delete');
      await giveFile(page, () => footMenu(page, 'Read chats from a file'), 'chats.json', file);
      await page.getByText('1 chat was read.').waitFor();
      await openChat(page, 'Peru');
      await page.locator('.prose').getByText('The capital of Peru is Lima.').waitFor();
      await giveFile(page, () => footMenu(page, 'Read chats from a file'), 'x.json', '{"a": 1}');
      await page.getByText('No chats were found in this file.').waitFor();
    }),

    test('a text file goes with a question', async ({ page, mock }) => {
      await giveFile(page, () => page.getByLabel('Add a text file').click(), 'owl.txt', 'Owls see in the dark.\n');
      await page.locator('.attached').getByText(/^\d tokens$/).waitFor();
      await Promise.all([dropFile(page, 'a.md', 'One'), dropFile(page, 'b.md', 'Two')]);
      for (const name of ['a.md', 'b.md']) {
        await page.locator('.attached-file', { hasText: name }).getByText('1 token', { exact: true }).waitFor();
        await page.getByLabel(`Remove ${name}`).click();
      }
      await page.reload();
      await page.locator('.attached').getByText('owl.txt').waitFor();
      await dropFile(page, 'picture.png', '\u0000\u0001');
      await page.getByText('“picture.png” is not a text file.').waitFor();
      await ask(page, 'What do owls see?');
      await answered(page);
      assert.equal(mock.bodies[0]?.messages?.[0]?.content, 'owl.txt\n```\nOwls see in the dark.\n```\n\nWhat do owls see?');
      assert.equal(await page.locator('.attached').count(), 0);
      await page.locator('.sent-file summary').click();
      assert.equal(await page.locator('.sent-file pre').innerText(), 'Owls see in the dark.\n');
    }),

    test('several chats answer at once', async ({ page }) => {
      for (const question of ['A story, slow please', 'Another story, slow please']) {
        await page.keyboard.press('Control+Shift+O');
        await ask(page, question);
      }
      await showChats(page);
      await page.locator('.chat-busy').nth(1).waitFor();
      await until(async () => await page.locator('.chat-busy').count() === 0);
      await openChat(page, 'A story');
      assert.match(await answered(page), /first one awake/);
    }),

    test('two tabs on one chat lose nothing', async ({ page }) => {
      await ask(page, 'Hello');
      await answered(page);
      const other = await page.context().newPage();
      await other.goto(page.url());
      await other.locator('.prose').getByText('I am a small model').waitFor();
      await ask(page, 'A story, slow please');
      await other.locator('.question').nth(1).waitFor();
      await other.locator('.answer[aria-busy="true"]').waitFor();
      await other.keyboard.press('Escape');
      await page.getByText('Stopped').waitFor();
      await other.getByText('Stopped').waitFor();
      await ask(other, 'What is the capital of Peru?');
      await page.locator('.prose').getByText('The capital of Peru is Lima.').waitFor();
      await answered(page);  // its end as well as its words
      await other.close();
      await page.reload();
      await answered(page);
      assert.equal(await page.locator('.question').count(), 3);
    }),

    test('a draft is kept for each chat, and through a reload', async ({ page }) => {
      await ask(page, 'Hello');
      await answered(page);
      const field = page.locator('.composer-field');
      await field.fill('Begun here');
      await page.keyboard.press('Control+Shift+O');
      await ready(page);
      assert.equal(await field.inputValue(), '');
      await field.fill('And there');
      await page.reload();
      await ready(page);
      assert.equal(await field.inputValue(), 'And there');
      await openChat(page, 'Hello');
      await page.locator('.question').waitFor();
      assert.equal(await field.inputValue(), 'Begun here');
    }),

    test('exports of ChatGPT and Open WebUI are read, with their branches', async ({ page }) => {
      for (const [title, file] of Object.entries(kExports)) {
        await giveFile(page, () => footMenu(page, 'Read chats from a file'), 'export.json', JSON.stringify(file));
        await page.getByText('1 chat was read.').waitFor();
        await openChat(page, title);
        await page.locator('.prose').getByText('Lima').waitFor();
        await page.locator('.answer .branches').getByText('2/2').waitFor();
        await page.getByLabel('Show the one before').click();
        await page.locator('.prose').getByText('Quito').waitFor();
      }
    }),

    test('another language, and one from right to left', async ({ page }) => {
      const speak = async (language: string): Promise<void> => {
        await page.keyboard.press('Control+,');
        await page.locator('.panel select').last().selectOption(language);
        await page.locator('.panel').waitFor({ state: 'detached' });
      };
      await speak('de');
      assert.equal(await page.locator('html').getAttribute('lang'), 'de');
      await page.getByText('Frag mich etwas Kleines.').waitFor();
      assert.match(await page.locator('.empty-model').innerText(), /19,4 MB/);
      await speak('ar');
      assert.equal(await page.locator('html').getAttribute('dir'), 'rtl');
      await showChats(page);
      assert.equal(await page.locator('.sidebar').evaluate((e) => e.getBoundingClientRect().right), page.viewportSize()!.width);
      await page.reload();
      await page.locator('html[lang="ar"]').waitFor();
    }),

    test('a chat of 1,000 messages keeps few of them on the page', async ({ page }) => {
      await giveFile(page, () => footMenu(page, 'Read chats from a file'), 'long.json', longChat(1000));
      await openChat(page, 'Long');
      await page.getByText('Answer 499').waitFor();
      const kept = (): Promise<number> => page.locator('.turn').count();
      assert.ok(await kept() < 60, String(await kept()));
      await page.locator('.thread-view').focus();
      await page.keyboard.press('Home');
      await page.getByText('Question 0', { exact: true }).waitFor();
      assert.ok(await kept() < 60);
      await page.locator('.thread-view').evaluate((view) => view.scrollBy(0, 120));
      const at = page.getByText('Question 2', { exact: true });
      const before = (await at.boundingBox())!.y;
      await page.evaluate(frames, 20);
      assert.ok(Math.abs((await at.boundingBox())!.y - before) < 2, 'what is read stays where it is');
      await ask(page, 'A long one');
      await answered(page);
      assert.ok(await kept() < 60);
    }),
  ];
}

const kRuns: readonly Record<string, unknown>[] = [
  { name: 'first', step: 3, steps: 10, tokens: 1920, tokens_per_second: 640, seconds_left: 70, step_seconds: 1, idle_seconds: 1, loss: [[1, 4], [2, 3.5], [3, 3.25]],
    validations: [{ step: 2, loss: 3.6, bits_per_byte: 1.5 }], choices: { arc: { step: 2, accuracy: 0.4 } }, answers: [{ step: 2, question: 'Who are you?', answer: '<b>An owl</b>' }] },
  { name: 'second', step: 1, steps: 9, tokens: 1, step_seconds: 1, idle_seconds: 7200, loss: [[1, 2]], validations: [], choices: {}, answers: [] },
];

// One chat each, by its title, as the two programs write it.
const said = (role: string, text: string, at: number): object => ({ author: { role }, create_time: at, content: { content_type: 'text', parts: [text] } });
const kExports = {
  'From ChatGPT': [{ title: 'From ChatGPT', create_time: 1_700_000_000, current_node: 'c', mapping: {
    a: { id: 'a', message: said('user', 'Capital of Peru?', 1), parent: null, children: ['b', 'c'] },
    b: { id: 'b', message: said('assistant', 'Quito', 2), parent: 'a', children: [] },
    c: { id: 'c', message: said('assistant', 'Lima', 3), parent: 'a', children: [] },
  } }],
  'From Open WebUI': [{ id: 'x', title: 'From Open WebUI', updated_at: 1_700_000_000, chat: { title: 'From Open WebUI', history: { currentId: 'c', messages: {
    a: { id: 'a', parentId: null, childrenIds: ['b', 'c'], role: 'user', content: 'Capital of Peru?', timestamp: 1 },
    b: { id: 'b', parentId: 'a', role: 'assistant', content: 'Quito', timestamp: 2 },
    c: { id: 'c', parentId: 'a', role: 'assistant', content: 'Lima', timestamp: 3 },
  } } } }],
};

// In the page: whether a pinned chat is in its storage already, and a reload finds it.
function keepsPinned(): Promise<boolean> {
  return new Promise((resolve) => {
    const opening = indexedDB.open('owlet');
    opening.onsuccess = () => {
      const chats = opening.result.transaction('chats').objectStore('chats').getAll();
      chats.onsuccess = () => {
        opening.result.close();
        resolve(chats.result.some((chat) => chat.pinned));
      };
    };
  });
}
