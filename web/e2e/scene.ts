// One page before one mock: what most end-to-end tests begin with, and a few things that several of them do.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import ar from '../src/languages/ar';
import en from '../src/languages/en';
import type { Format, Text } from '../src/text';
import { ready, visit } from './browser';
import type { Test } from './harness';
import { MockServer, type MockOptions } from './mock-server';

// Where pictures go, if anywhere.
export const kShots = process.env.OWLET_SHOTS;

export interface Scene {
  page: Page;
  mock: MockServer;
}

export const phone: BrowserContextOptions = { viewport: { width: 380, height: 800 }, hasTouch: true, isMobile: true };

// Where the page is looked at.
export const kPlaces = [
  { name: '1280 pixels, light', options: { viewport: { width: 1280, height: 800 }, colorScheme: 'light' } },
  { name: '390 pixels, dark', options: { viewport: { width: 390, height: 844 }, colorScheme: 'dark', hasTouch: true, isMobile: true } },
] as const;
export type Place = (typeof kPlaces)[number];

// What the page says, as far as there are no numbers in it.
const plain: Format = { number: String, short: String, percent: String, bytes: String, duration: String, plural: (_, forms) => forms.other };
export type Words = Text;
export const wordsOf = { en: en(plain), ar: ar(plain) };

export function testsOf(browser: Browser, place?: Place) {
  return (name: string, body: (scene: Scene) => Promise<void>, options: BrowserContextOptions = {}, server: MockOptions = {}): Test => [place ? `${name} (${place.name})` : name, async () => {
    const mock = await MockServer.start(server);
    const v = await visit(browser, [mock.url], { ...place?.options, ...options });
    try {
      await ready(v.page);
      await body({ page: v.page, mock }).catch(async (error: unknown) => {
        if (kShots) await v.page.screenshot({ path: `${kShots}/failed-${name.replace(/[^\w-]+/g, '-')}.png` });
        throw error;
      });
      assert.deepEqual(v.complaints, [], 'errors in the console');
      assert.deepEqual(v.strangers, [], 'requests to other hosts');
    } finally {
      await v.close();
      await mock.stop();
    }
  }];
}

// On a narrow page the chats are a sheet, which closes when one is opened. A page that was just loaded is drawn first, and then listens for keys.
export async function showChats(page: Page): Promise<void> {
  await page.locator('.composer-field').waitFor();
  await page.evaluate(frames, 2);
  if (await page.locator('.sidebar').count() === 0) await page.keyboard.press('Control+b');
  await page.locator('.sidebar').waitFor();
  await page.evaluate(frames, 2);  // a long list draws its rows once it knows its room
}

export async function openChat(page: Page, title: string | RegExp): Promise<void> {
  await showChats(page);
  await page.locator('.chat-title').filter({ hasText: title }).first().click();
}

export async function titles(page: Page): Promise<string[]> {
  await showChats(page);
  return page.locator('.chat-name').allInnerTexts();
}

// An action on the chat that is open.
export async function chatMenu(page: Page, action: string): Promise<void> {
  await showChats(page);
  await page.locator('.chat-row.current').hover();
  await page.locator('.chat-row.current button[aria-haspopup="menu"]').click();
  await page.getByRole('menuitem', { name: action, exact: true }).click();
}

// An action of the menu below the chats.
export async function footMenu(page: Page, action: string): Promise<void> {
  await showChats(page);
  await page.locator('.sidebar-foot button[aria-haspopup="menu"]').click();
  await page.getByRole('menuitem', { name: action }).click();
}

// A file given to the page's own field for files, which `open` brings up.
export async function giveFile(page: Page, open: () => Promise<void>, name: string, content: string | Buffer): Promise<void> {
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), open()]);
  await chooser.setFiles({ name, mimeType: 'application/octet-stream', buffer: Buffer.from(content) });
}

export function dropFile(page: Page, name: string, content: string): Promise<void> {
  return drag(page, 'drop', name, content);
}

export function dragOver(page: Page): Promise<void> {
  return drag(page, 'dragover', 'x', '');
}

function drag(page: Page, type: string, name: string, content: string): Promise<void> {
  return page.evaluate(([type, name, content]) => {
    const data = new DataTransfer();
    data.items.add(new File([content!], name!));
    document.body.dispatchEvent(new DragEvent(type!, { dataTransfer: data, bubbles: true, cancelable: true }));
  }, [type, name, content]);
}

// The content of the file that `work` has the page save.
export async function saved(page: Page, work: () => Promise<void>): Promise<string> {
  const [download] = await Promise.all([page.waitForEvent('download'), work()]);
  return readFileSync((await download.path())!, 'utf8');
}

export function clipboard(page: Page): Promise<string> {
  return page.evaluate(() => navigator.clipboard.readText());
}

// In the page: until so many frames were drawn.
export async function frames(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => requestAnimationFrame(resolve));
}

export async function until(condition: () => boolean | Promise<boolean>, tries = 200): Promise<void> {
  for (let i = 0; i < tries && !(await condition()); i++) await new Promise((resolve) => setTimeout(resolve, 25));
  assert.ok(await condition());
}

// A chat that the page can read from a file.
export function longChat(count: number): string {
  const messages = Array.from({ length: count }, (_, i) => ({
    id: `m${i}`, chatId: 'c', parent: i === 0 ? 'root' : `m${i - 1}`, role: i % 2 === 0 ? 'user' : 'assistant', createdAt: i + 1,
    content: i % 2 === 0 ? `Question ${i / 2}` : `Answer ${(i - 1) / 2}\n\n${'Some words to fill the page. '.repeat(1 + (i * 7) % 40)}`,
  }));
  return JSON.stringify({ format: 'owlet-chats', version: 1, chats: [{ id: 'c', title: 'Long', updatedAt: 1, chosen: {} }], messages });
}

// Prose, a table, code and a formula, again and again.
export function longAnswer(tokens: number, index: number): string {
  const piece = `\n\n## Part ${index}\n\nAn owl turns its head, listens, and waits; it *hears* a mouse under the snow, **far** away.\n\n| a | b |\n|---|--:|\n| one | 1 |\n| two | 2 |\n\n` +
    '```python\ndef add(a, b):\n    return a + b\n```\n\nIts area is $A = \\pi r^2$ and `code`.';
  const words = piece.match(/\s*\S{1,6}/g)!;
  return Array.from({ length: tokens }, (_, i) => words[i % words.length]).join('');
}
