// One page before one mock: what most end-to-end tests begin with, and a few things that several of them do.

import assert from 'node:assert/strict';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { ready, visit } from './browser';
import type { Test } from './harness';
import { MockServer, type MockOptions } from './mock-server';

export interface Scene {
  page: Page;
  mock: MockServer;
}

export const phone: BrowserContextOptions = { viewport: { width: 380, height: 800 }, hasTouch: true, isMobile: true };

export function testsOf(browser: Browser) {
  return (name: string, body: (scene: Scene) => Promise<void>, options: BrowserContextOptions = {}, server: MockOptions = {}): Test => [name, async () => {
    const mock = await MockServer.start(server);
    const v = await visit(browser, [mock.url], options);
    try {
      await ready(v.page);
      await body({ page: v.page, mock });
      assert.deepEqual(v.complaints, [], 'errors in the console');
      assert.deepEqual(v.strangers, [], 'requests to other hosts');
    } finally {
      await v.close();
      await mock.stop();
    }
  }];
}

// An action on the chat that is open.
export async function chatMenu(page: Page, action: string): Promise<void> {
  await page.locator('.chat-row.current').hover();
  await page.locator('.chat-row.current button[aria-haspopup="menu"]').click();
  await page.getByRole('menuitem', { name: action, exact: true }).click();
}

// A file given to the page's own field for files, which `open` brings up.
export async function giveFile(page: Page, open: () => Promise<void>, name: string, content: string | Buffer): Promise<void> {
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), open()]);
  await chooser.setFiles({ name, mimeType: 'application/octet-stream', buffer: Buffer.from(content) });
}

export function clipboard(page: Page): Promise<string> {
  return page.evaluate(() => navigator.clipboard.readText());
}

export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200 && !(await condition()); i++) await new Promise((resolve) => setTimeout(resolve, 25));
  assert.ok(await condition());
}
