// A page in headless Chromium that remembers what it should not have done: errors, and requests to other hosts.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core';

const kArguments = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

const kOptions = { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: kArguments };

export function launch(): Promise<Browser> {
  return chromium.launch(kOptions);
}

// A browser that keeps what visitors' browsers do, compiled code too, until it is closed.
export async function launchProfile(): Promise<{ context: BrowserContext; close(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'owlet-profile-'));
  const context = await chromium.launchPersistentContext(folder, kOptions);
  const close = async (): Promise<void> => {
    await context.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { context, close };
}

export interface Visit {
  page: Page;
  complaints: string[];   // errors in the console, other than those of requests that were meant to fail
  strangers: string[];    // requests to anything but the given addresses
  close(): Promise<void>;
}

export async function visit(browser: Browser, addresses: readonly string[], options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const page = await context.newPage();
  const complaints: string[] = [];
  const strangers: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) complaints.push(message.text());
  });
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith('data:') && !addresses.some((address) => url.startsWith(`${address}/`))) strangers.push(url);
  });
  page.setDefaultTimeout(15_000);
  await page.goto(`${addresses[0]!}/`);
  return { page, complaints, strangers, close: () => context.close() };
}

export async function ask(page: Page, question: string): Promise<void> {
  const field = page.locator('.composer-field');
  await field.fill(question);
  await field.press('Enter');
  await page.waitForFunction(() => document.querySelector<HTMLTextAreaElement>('.composer-field')!.value === '');
  await page.locator('.question').last().getByText(question.trim().slice(0, 60)).waitFor();
}

// Until the answer is complete; returns its text.
export async function answered(page: Page, { send } = { send: 'Send' }, timeout = 30_000): Promise<string> {
  await page.locator('.answer[aria-busy="false"]').last().waitFor({ timeout });
  await page.locator(`.composer-button[aria-label="${send}"]`).waitFor({ timeout });
  return page.locator('.answer').last().innerText();
}

export async function ready(page: Page): Promise<void> {
  await page.locator('.examples button:enabled').first().waitFor();
}
