// Every state of the page at 1280 and 390 pixels, dark and light, and once at each width from right to left: nothing is cut off, and axe
// finds nothing wrong. With OWLET_SHOTS=FOLDER a picture of each is left there.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { answered, ask } from './browser';
import { kLanguages } from '../src/text';
import type { Test } from './harness';
import { kSecondModel, model, type MockServer } from './mock-server';
import { chatMenu, dragOver, dropFile, footMenu, kPlaces, kShots, showChats, testsOf, wordsOf, type Words } from './scene';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Sight {
  page: Page;
  mock: MockServer;
  words: Words;
  look: (state: string) => Promise<void>;
}

const kStates: readonly [string, (sight: Sight) => Promise<void>][] = [['answers', answers], ['two answers and tokens', tokens], ['chats', chats], ['what is written', composer], ['trouble', trouble]];

export function lookTests(browser: Browser): Test[] {
  const test = testsOf(browser);
  const schemes = ['light', 'dark'] as const;
  const spoken = kLanguages.flatMap(([locale]) => kPlaces.map((place) => test(`sound: the language ${locale}, ${place.name}`, async ({ page }) => {
    const { width } = place.options.viewport;
    assert.equal(await page.locator('html').getAttribute('lang'), locale);
    assert.ok((await page.locator('.empty-model').innerText()).includes(new Intl.NumberFormat(locale).format(19.4)));
    await languages(page, (state) => check(page, state, `${state}-${width}-${locale}`, width));
  }, { ...place.options, locale, reducedMotion: 'reduce' })));
  const states = kPlaces.flatMap((place) => schemes.flatMap((colorScheme) => (colorScheme === place.options.colorScheme ? ['en', 'ar'] as const : ['en'] as const).flatMap((locale) => {
    const options: BrowserContextOptions = { ...place.options, colorScheme, locale, reducedMotion: 'reduce' };
    const { width } = place.options.viewport;
    const name = `${width}-${colorScheme}${locale === 'ar' ? '-rtl' : ''}`;
    return kStates.map(([of, go]) => test(`sound: ${of}, ${name}`, ({ page, mock }) => {
      const look = (state: string): Promise<void> => check(page, state, `${state}-${name}`, width);
      return go({ page, mock, words: wordsOf[locale], look });
    }, options, { models: [model(), model(kSecondModel)], runs: [kRun, { ...kRun, name: 'second' }] }));
  })));
  return [...states, ...spoken];
}

async function languages(page: Page, look: (state: string) => Promise<void>): Promise<void> {
  await look('empty');
  await page.keyboard.press('Control+,');
  await page.locator('.panel input').nth(2).waitFor();
  await look('settings');
  await page.keyboard.press('Control+,');
  await showChats(page);
  await page.locator('.keys-button').click();
  await look('keys');
}

async function answers({ page, words, look }: Sight): Promise<void> {
  await look('empty');
  await ask(page, 'An endless story');
  await page.locator('.prose').getByText('first one awake').waitFor();
  await look('arriving');
  await page.locator('.composer-button').click();
  await page.getByText(words.stopped).waitFor();
  await ask(page, 'Show me a table and code');
  await answered(page, words);
  await page.locator('.hl-keyword').first().waitFor();
  await look('rich');
  await ask(page, 'Please think about 47 + 25');
  await answered(page, words);
  await page.locator('.thoughts summary').click();
  await look('thought');
  await page.getByLabel(words.regenerate).last().click();
  await page.locator('.branches').waitFor();
  await answered(page, words);
  await page.locator('.composer-field').press('ArrowUp');
  await page.locator('.edit textarea').waitFor();
  await look('edit');
  await page.keyboard.press('Escape');
  await page.locator('.question').last().hover();
  await look('branches');
  await ask(page, 'Please refuse');
  await answered(page, words);
  await look('refused');
}

async function tokens({ page, words, look }: Sight): Promise<void> {
  await page.getByLabel(words.settings).click();
  await page.getByText(words.advanced).click();
  await page.getByLabel(words.logprobs).check();
  await page.getByLabel(words.compare).selectOption(kSecondModel);
  await look('settings');
  await page.locator('.scope').getByText(words.scope.chat).click();
  await page.getByLabel(words.system).fill('Be brief.');
  await look('settings of a chat');
  await page.locator('.panel').getByLabel(words.close).click();
  await ask(page, 'A formula and nothing else');
  await answered(page, words);
  await page.locator('math').first().waitFor();
  await look('two answers');
  await page.getByLabel(words.showTokens).last().click();
  await page.getByLabel(words.showTokens).nth(-2).click();
  await page.locator('.token').nth(3).focus();
  await look('tokens');
  await page.getByLabel(words.showTokens).nth(-2).click();
  await page.locator('.pair button', { hasText: words.prefer }).click();
  await page.getByLabel(words.model, { exact: true }).selectOption(kSecondModel);
  await ask(page, 'What is the capital of Peru?');
  await answered(page, words);
  await look('another model');
}

async function chats({ page, words, look }: Sight): Promise<void> {
  for (const question of ['Show me a table and code', 'What is the capital of Peru?', 'An endless story']) {
    await page.keyboard.press('Control+Shift+O');
    await ask(page, question);
    if (!question.includes('endless')) await answered(page, words);
  }
  await chatMenu(page, words.pin);
  await showChats(page);
  await page.locator('.chat-busy').waitFor();
  await page.locator('.chat-row.current button[aria-haspopup="menu"]').click();
  await look('chats');
  await page.getByRole('menuitem', { name: words.rename }).click();
  await look('rename');
  await page.keyboard.press('Escape');
  await page.locator('.find').fill('hydrogen');
  await page.locator('.chat-line').waitFor();
  await look('search');
  await page.locator('.find').fill('nobody said this');
  await page.getByText(words.noneFound).waitFor();
  await look('nothing found');
  await page.locator('.find').fill('');
  await chatMenu(page, words.remove);
  await page.locator('.toast').waitFor();
  await look('deleted');
  await showChats(page);
  await page.locator('.keys-button').click();
  await look('keys');
  await page.keyboard.press('Escape');
  await footMenu(page, words.runs.title);
  await page.locator('.chart svg').waitFor();
  await look('training');
}

async function composer({ page, words, look }: Sight): Promise<void> {
  await dropFile(page, 'A-quite-wordy-name-of-a-file-with-notes-about-owls.md', '# Owls\n\nThey see in the dark.\n'.repeat(60));
  await dropFile(page, 'owl.txt', 'Owls see in the dark.\n');
  await page.locator('.attached-file').nth(1).waitFor();
  await page.locator('.composer-field').fill('What do owls see?\n\nAnd when do they sleep?');
  await page.locator('.gauge-bar').waitFor();
  await look('files');
  await dragOver(page);
  await page.locator('.composer-over').waitFor();
  await look('files held over the page');
  await dropFile(page, 'third.txt', 'x');
  await page.locator('.composer-field').press('Enter');
  await answered(page, words);
  await page.locator('.sent-file summary').nth(1).click();
  await look('sent files');
}

async function trouble({ page, mock, words, look }: Sight): Promise<void> {
  for (const question of ['A long one', 'Another long one']) {
    await ask(page, question);
    await answered(page, words);
  }
  await look('full');
  await page.locator('.thread-view').evaluate((view) => { view.scrollTop = 0; });
  await page.locator('.latest').waitFor();
  await look('away from the end');
  const back = await mock.gone();
  await ask(page, 'What is the capital of Peru?');
  await page.locator('.gone').waitFor();
  await look('gone');
  await page.getByText(words.otherServer).click();
  await page.locator('.connect').waitFor();
  await look('another server');
  await back();
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
  if (kShots) await page.screenshot({ path: `${kShots}/${name.replaceAll(' ', '-')}.png` });
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
