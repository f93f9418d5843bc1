// 500 hostile answers in a real browser: read from a file, every one of them drawn, and some of them arriving.

import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import { answered, ask } from './browser';
import type { Test } from './harness';
import { hostileAnswers } from './hostile';
import { footMenu, giveFile, testsOf } from './scene';

const kAnswers = 500;
const kSeed = 20;

export function hostileTests(browser: Browser): Test[] {
  const test = testsOf(browser);
  const answers = hostileAnswers(kAnswers, kSeed);
  return [
    test('500 hostile answers run and fetch nothing', async ({ page }) => {
      await watch(page);
      await giveFile(page, () => footMenu(page, 'Read chats from a file'), 'hostile.json', chatOf(answers));
      await page.locator('.chat-title').first().click();
      await page.locator('.turn').first().waitFor();
      const seen = await page.evaluate(drawAll);
      assert.equal(seen.length, kAnswers, `${seen.length} answers were drawn`);
      await harmless(page);
    }),

    test('hostile answers arrive harmlessly', async ({ page }) => {
      await watch(page);
      for (let i = 0; i < 40; i++) {
        if (i % 10 === 0) await page.keyboard.press('Control+Shift+O');
        await ask(page, `answer ${i}`);
        await answered(page);
      }
      await harmless(page);
    }, {}, { answers: hostileAnswers(40, kSeed + 1).map((a) => a.slice(0, 2000)) }),
  ];
}

// Remembers what the page's policy had to stop: nothing should come so far.
function watch(page: Page): Promise<void> {
  return page.evaluate(() => {
    const stopped: string[] = [];
    (window as unknown as { stopped: string[] }).stopped = stopped;
    document.addEventListener('securitypolicyviolation', (event) => stopped.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
}

async function harmless(page: Page): Promise<void> {
  const state = await page.evaluate(() => {
    const { hacked, stopped } = window as unknown as { hacked?: unknown; stopped: string[] };
    const side = document.querySelector('.sidebar')!.getBoundingClientRect();
    return {
      hacked: hacked ?? null, stopped, title: document.title, over: document.elementFromPoint(side.left + 20, side.top + 200)?.closest('.sidebar') === null,
      foreign: document.querySelectorAll('.thread :is(script, img, iframe, style, form, object, video, base, meta, link, svg:not(.icon, .owl))').length,
      hrefs: [...document.querySelectorAll('.thread a')].map((a) => (a as HTMLAnchorElement).protocol).filter((p) => !['http:', 'https:', 'mailto:'].includes(p)),
      wide: document.querySelector('.thread-view')!.scrollWidth > document.querySelector('.thread-view')!.clientWidth,
    };
  });
  assert.deepEqual(state, { hacked: null, stopped: [], title: 'Owlet', over: false, foreign: 0, hrefs: [], wide: false });
}

// Goes through the whole chat, so that every answer is on the page once; returns the ids of those that were.
async function drawAll(): Promise<string[]> {
  const view = document.querySelector('.thread-view')!;
  const seen = new Set<string>();
  const frame = (): Promise<number> => new Promise((resolve) => requestAnimationFrame(resolve));
  for (let from = -1; view.scrollTop !== from;) {
    from = view.scrollTop;
    for (const row of document.querySelectorAll<HTMLElement>('.row')) if (row.querySelector('.answer')) seen.add(row.dataset.row!);
    view.scrollTop = Math.max(0, from - view.clientHeight - 800);
    await frame();
    await frame();
  }
  return [...seen];
}

function chatOf(answers: readonly string[]): string {
  const messages = answers.flatMap((content, i) => [
    { id: `q${i}`, chatId: 'c', parent: i === 0 ? 'root' : `a${i - 1}`, role: 'user', content: `Question ${i}`, createdAt: 2 * i + 1 },
    { id: `a${i}`, chatId: 'c', parent: `q${i}`, role: 'assistant', content, createdAt: 2 * i + 2 },
  ]);
  return JSON.stringify({ format: 'owlet-chats', version: 1, chats: [{ id: 'c', title: 'Hostile', updatedAt: 1, chosen: {} }], messages });
}
