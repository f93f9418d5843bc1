// What the page can do beyond asking and answering.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { answered, ask, ready } from './browser';
import type { Test } from './harness';
import { kModel, kSecondModel, model } from './mock-server';
import { chatMenu, clipboard, giveFile, testsOf, until } from './scene';

// What changes while a test looks on.
const loads = { models: [model(), model(kSecondModel)] };
const training: Record<string, unknown>[] = [
  { name: 'first', step: 3, steps: 10, tokens: 1920, tokens_per_second: 640, seconds_left: 70, step_seconds: 1, idle_seconds: 1, loss: [[1, 4], [2, 3.5], [3, 3.25]],
    validations: [{ step: 2, loss: 3.6, bits_per_byte: 1.5 }], choices: { arc: { step: 2, accuracy: 0.4 } }, answers: [{ step: 2, question: 'Who are you?', answer: '<b>An owl</b>' }] },
  { name: 'second', step: 1, steps: 9, tokens: 1, step_seconds: 1, idle_seconds: 7200, loss: [[1, 2]], validations: [], choices: {}, answers: [] },
];

export function featureTests(browser: Browser): Test[] {
  const test = testsOf(browser);
  const two = { models: [model(), model(kSecondModel)] };
  return [
    test('an answer goes on where it was stopped', async ({ page, mock }) => {
      await ask(page, 'A story, slow please');
      await page.locator('.prose').getByText('Once a small owl').waitFor();
      await page.keyboard.press('Escape');
      await answered(page);
      const begun = (await page.locator('.prose').innerText()).trim();
      await page.locator('button[aria-label="Go on"]').click();
      await page.locator('.answer[aria-busy="true"]').waitFor();
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
      await page.locator('.chat-title').getByText('Hello', { exact: true }).click();
      await page.reload();
      await ask(page, 'And now?');
      await answered(page);
      assert.equal(mock.bodies[2]?.messages?.[0]?.content, 'Only in this one.');
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
      await page.locator('.chat-line').getByText('The capital of Peru is Lima.').waitFor();
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
      await page.locator('.chat-name').nth(1).getByText('One').waitFor();
      await page.keyboard.press('Control+k');
      await page.locator('.find:focus').waitFor();
      for (const key of ['ArrowDown', 'ArrowDown', 'Tab', 'Enter']) await page.keyboard.press(key);
      await page.locator('[role="menuitem"]:focus').waitFor();
      await page.keyboard.press('ArrowDown');
      assert.equal(await page.locator('[role="menuitem"]:focus').innerText(), 'Pin');
      await page.keyboard.press('Enter');
      await page.locator('[aria-label="Pinned"]').waitFor();
      assert.deepEqual(await page.locator('.chat-name').allInnerTexts(), ['One', 'Two']);
      await page.reload();
      await page.locator('.chat-name').first().waitFor();
      assert.deepEqual(await page.locator('.chat-name').allInnerTexts(), ['One', 'Two']);
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

    test('a training run is followed while it goes on', async ({ page }) => {
      await foot(page, 'Training runs');
      const view = page.locator('.runs');
      await view.getByText('3 of 10').waitFor();
      assert.match(await view.innerText(), /first[^]*3 of 10[^]*1 min 10 sec left[^]*3\.25[^]*1\.5 bits per byte[^]*640 tokens\/s[^]*Who are you\?[^]*<b>An owl<\/b>/);
      assert.match(await view.locator('svg[role="img"]').getAttribute('aria-label') ?? '', /Loss from 4 to 3.25 at step 3/);
      Object.assign(training[0]!, { step: 10, seconds_left: 0 });
      await view.getByText('finished').waitFor();
      await view.locator('select').selectOption('second');
      await view.getByText('no news for 2 hr').waitFor();
      await page.keyboard.press('Escape');
      await view.waitFor({ state: 'detached' });
    }, {}, { runs: training }),

    test('a server without training runs says how to show some', async ({ page }) => {
      await foot(page, 'Training runs');
      await page.locator('.runs').getByText('--runs').waitFor();
    }),

    test('chats leave as files and come back', async ({ page }) => {
      await ask(page, 'What is the capital of Peru?');
      await answered(page);
      assert.equal(await saved(page, () => chatMenu(page, 'Save as Markdown')), `# What is the capital of Peru?\n\n**You**\n\nWhat is the capital of Peru?\n\n**${kModel}**\n\nThe capital of Peru is Lima.\n`);
      await chatMenu(page, 'Copy as Markdown');
      await page.locator('.toast').getByText('Copied').waitFor();
      assert.match(await clipboard(page), /^# What is[^]*Lima\.\n$/);
      const file = await saved(page, () => foot(page, 'Save all chats'));
      await chatMenu(page, 'Delete');
      await giveFile(page, () => foot(page, 'Read chats from a file'), 'chats.json', file);
      await page.getByText('1 chat was read.').waitFor();
      await page.locator('.chat-title').first().click();
      await page.locator('.prose').getByText('The capital of Peru is Lima.').waitFor();
      await giveFile(page, () => foot(page, 'Read chats from a file'), 'x.json', '{"a": 1}');
      await page.getByText('No chats were found in this file.').waitFor();
    }),

    test('a text file goes with a question', async ({ page, mock }) => {
      await giveFile(page, () => page.getByLabel('Add a text file').click(), 'owl.txt', 'Owls see in the dark.\n');
      await page.locator('.attached').getByText(/^\d tokens$/).waitFor();
      await page.reload();
      await page.locator('.attached').getByText('owl.txt').waitFor();
      await drop(page, 'picture.png', '\u0000\u0001');
      await page.getByText('“picture.png” is not a text file.').waitFor();
      await ask(page, 'What do owls see?');
      await answered(page);
      assert.equal(mock.bodies[0]?.messages?.[0]?.content, 'owl.txt\n```\nOwls see in the dark.\n```\n\nWhat do owls see?');
      assert.equal(await page.locator('.attached').count(), 0);
      await page.locator('.sent-file summary').click();
      assert.equal(await page.locator('.sent-file pre').innerText(), 'Owls see in the dark.\n');
    }),

    test('the gauge shows how full the context is', async ({ page }) => {
      assert.equal(await page.locator('meter').count(), 0);
      await ask(page, 'A long one');
      await answered(page);
      const value = Number(await page.locator('meter').getAttribute('value'));
      assert.ok(value > 900, String(value));
      await page.locator('.gauge-full span').getByText(/^[\d,]+ of 1,024 tokens$/).waitFor();
    }),

    test('several chats answer at once', async ({ page }) => {
      for (const question of ['A story, slow please', 'Another story, slow please']) {
        await page.keyboard.press('Control+Shift+O');
        await ask(page, question);
      }
      await page.locator('.chat-busy').nth(1).waitFor();
      await answered(page);
      await until(async () => await page.locator('.chat-busy').count() === 0);
      await page.locator('.chat-name').nth(1).click();
      assert.match(await answered(page), /first one awake/);
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

    test('a model that loads says how far it is', async ({ page }) => {
      await page.getByLabel('Model', { exact: true }).selectOption(kSecondModel);
      await page.locator('.status').getByText('Loading, 40%').waitFor();
      assert.equal(await page.locator('progress').getAttribute('value'), '0.4');
      await page.locator('.composer-field').fill('Hello');
      assert.equal(await page.getByLabel('Send').isDisabled(), true);
    }, {}, { models: [model(), { ...model(kSecondModel), status: { value: 'loading', progress: 0.4 } }] }),

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
      await tokens.nth(6).focus();
      await page.keyboard.press('Enter');
      await page.keyboard.press('Enter');
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
      await other.close();
      await page.reload();
      await answered(page);
      assert.equal(await page.locator('.question').count(), 3);
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
      assert.ok(await page.locator('.sidebar').evaluate((e) => e.getBoundingClientRect().left) > 600);
      await page.reload();
      await page.locator('html[lang="ar"]').waitFor();
    }),

    test('a chat of 1,000 messages keeps few of them on the page', async ({ page }) => {
      await giveFile(page, () => foot(page, 'Read chats from a file'), 'long.json', longChat(1000));
      await page.locator('.chat-title').first().click();
      await page.getByText('Answer 499').waitFor();
      const kept = (): Promise<number> => page.locator('.turn').count();
      assert.ok(await kept() < 60, String(await kept()));
      await page.mouse.move(640, 300);
      await page.locator('.thread-view').focus();
      await page.keyboard.press('Home');
      await page.getByText('Question 0', { exact: true }).waitFor();
      assert.ok(await kept() < 60);
      await page.mouse.wheel(0, 120);
      const at = page.getByText('Question 2', { exact: true });
      const before = (await at.boundingBox())!.y;
      await page.waitForTimeout(300);
      assert.ok(Math.abs((await at.boundingBox())!.y - before) < 2, 'what is read stays where it is');
      await ask(page, 'A long one');
      await answered(page);
      assert.ok(await kept() < 60);
    }),
  ];
}

// An action of the menu below the chats.
function foot(page: Page, action: string): Promise<void> {
  return page.locator('.sidebar-foot button[aria-haspopup="menu"]').click().then(() => page.getByRole('menuitem', { name: action }).click());
}

async function saved(page: Page, work: () => Promise<void>): Promise<string> {
  const [download] = await Promise.all([page.waitForEvent('download'), work()]);
  return readFileSync((await download.path())!, 'utf8');
}

function drop(page: Page, name: string, content: string): Promise<void> {
  return page.evaluate(([name, content]) => {
    const data = new DataTransfer();
    data.items.add(new File([content!], name!));
    document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true }));
  }, [name, content]);
}

function longChat(count: number): string {
  const messages = Array.from({ length: count }, (_, i) => ({
    id: `m${i}`, chatId: 'c', parent: i === 0 ? 'root' : `m${i - 1}`, role: i % 2 === 0 ? 'user' : 'assistant', createdAt: i + 1,
    content: i % 2 === 0 ? `Question ${i / 2}` : `Answer ${(i - 1) / 2}\n\n${'Some words to fill the page. '.repeat(1 + (i * 7) % 40)}`,
  }));
  return JSON.stringify({ format: 'owlet-chats', version: 1, chats: [{ id: 'c', title: 'Long', updatedAt: 1, chosen: {} }], messages });
}
