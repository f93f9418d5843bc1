// Everything the page does, against the mock.

import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import { answered, ask, ready, visit } from './browser';
import type { Test } from './harness';
import { kModel, MockServer } from './mock-server';
import { phone, testsOf, until } from './scene';

export function mockTests(browser: Browser): Test[] {
  const test = testsOf(browser);
  return [
    test('the empty page names the model; an example is answered', async ({ page }) => {
      assert.equal(await page.locator('h1').innerText(), 'Ask me something small.');
      assert.equal(await page.locator('.empty-model').innerText(), `${kModel} · 19.4 MB · 12.4 M parameters`);
      assert.equal(await page.locator('.examples button').count(), 4);
      await page.getByText('What is the capital of Peru?').click();
      assert.match(await answered(page), /The capital of Peru is Lima\.[^]*[\d.]+ tokens\/s · \d+ tokens · first token \d+ ms/);
      assert.match(page.url(), /#[0-9a-f]{32}$/);
    }),

    test('the page opens without making what it does not write yet', async ({ page }) => {
      await page.addInitScript(() => {
        const made = new Set<string>();
        (window as unknown as { made: Set<string> }).made = made;
        for (const name of ['NumberFormat', 'PluralRules'] as const) {
          const construct = (of: new () => object, given: [string?, { style?: string }?]): object => {
            made.add(`${name} ${given[1]?.style ?? ''}`.trim());
            return Reflect.construct(of, given) as object;
          };
          Object.assign(Intl, { [name]: new Proxy(Intl[name], { construct } as ProxyHandler<(typeof Intl)['NumberFormat' | 'PluralRules']>) });
        }
      });
      await page.reload();
      await ready(page);
      const made = await page.evaluate(() => [...(window as unknown as { made: Set<string> }).made]);
      assert.deepEqual(made.sort(), ['NumberFormat', 'NumberFormat unit']);
    }),

    test('Esc stops, and what came stays', async ({ page, mock }) => {
      await ask(page, 'A story, slow please');
      await page.getByText('Once a small').waitFor();
      assert.equal(await page.locator('.owl-blinking').count(), 1);
      await page.keyboard.press('Escape');
      const answer = await answered(page);
      assert.match(answer, /^Once a small[^]*Stopped/);
      assert.doesNotMatch(answer, /first one awake/);
      await until(() => mock.cancelled === 1);
      await ask(page, 'What is the capital of Peru?');
      assert.match(await answered(page), /Lima/);
    }),

    test('nothing drawn is taken back while a table and code arrive', async ({ page }) => {
      await page.evaluate(() => {
        const seen: string[] = [];
        (window as unknown as { seen: string[] }).seen = seen;
        new MutationObserver(() => seen.push(document.querySelector('.prose')?.textContent ?? '')).observe(document.body, { childList: true, subtree: true, characterData: true });
      });
      await ask(page, 'Show me a table and code');
      await answered(page);
      const seen = await page.evaluate(() => (window as unknown as { seen: string[] }).seen);
      assert.ok(seen.length > 10);
      for (let i = 1; i < seen.length; i++) assert.ok(seen[i]!.startsWith(seen[i - 1]!), `“${seen[i - 1]!.slice(-40)}” became “${seen[i]!.slice(-40)}”`);
    }),

    test('a hostile answer runs and fetches nothing', async ({ page }) => {
      await ask(page, 'Be hostile');
      await answered(page);
      await page.waitForTimeout(300);
      assert.equal(await page.evaluate(() => (window as unknown as { hacked?: number }).hacked), undefined);
      assert.equal(await page.locator('.prose :is(script, img, iframe, style, form, svg:not(.icon))').count(), 0);
      const hrefs = await page.locator('.prose a').evaluateAll((links) => links.map((a) => (a as HTMLAnchorElement).href));
      for (const href of hrefs) assert.match(href, /^https:\/\//);
      assert.equal(await page.locator('.sidebar').isVisible(), true);
    }),

    test('a server that goes away is waited for; the draft stays', async ({ page, mock }) => {
      await ask(page, 'A story, slow please');
      await page.getByText('Once a small').waitFor();
      const back = await mock.gone();
      await page.getByText('The server does not answer.').first().waitFor();
      assert.match(await page.locator('.answer').innerText(), /^Once a small[^]*connection was lost/);
      await page.locator('.composer-field').fill('A draft');
      await page.keyboard.press('Enter');
      assert.equal(await page.locator('.composer-field').inputValue(), 'A draft');
      assert.equal(await page.locator('.bar .owl-closed').count(), 1);
      await back();
      await page.locator('.gone').waitFor({ state: 'detached' });
      assert.equal(await page.locator('.composer-field').inputValue(), 'A draft');
      await page.locator('.composer-field').press('Enter');
      assert.match(await answered(page), /I am a small model/);
    }),

    test('a question that found no server is asked when it is back', async ({ page, mock }) => {
      const back = await mock.gone();
      await ask(page, 'What is the capital of Peru?');
      await page.getByText('Not asked yet').waitFor();
      await back();
      assert.match(await answered(page), /Lima/);
    }),

    test('a chat that is too long says so, and can go on without its oldest turns', async ({ page, mock }) => {
      await ask(page, 'A long one');
      await answered(page);
      await ask(page, 'Another long one');
      assert.match(await answered(page), /longer than the model can read\.[^]*1,\d\d\d tokens, of 1,024 that fit\./);
      await page.getByText('Leave out the oldest turns').click();
      await page.getByText('no longer sent to the model').waitFor();
      await answered(page);
      assert.equal(mock.bodies[2]?.messages?.length, 1);
      await page.keyboard.press('Control+Shift+O');
      await ask(page, 'word '.repeat(1500));
      assert.match(await answered(page), /This message alone is too long/);
    }),

    test('a refusal is told in the server’s own words', async ({ page }) => {
      await ask(page, 'Please refuse');
      assert.match(await answered(page), /logit_bias is not something this model can do\./);
      await ask(page, 'Please crash');
      assert.match(await answered(page), /The engine met an error\./);
    }),

    test('an answer that breaks off says so and can be asked again', async ({ page }) => {
      await ask(page, 'Please break off');
      assert.match(await answered(page), /^Once a small[^]*connection was lost/);
      await page.locator('.gone').waitFor({ state: 'detached' });
      await page.locator('.failure').getByText('Ask again').click();
      await page.locator('.branches').getByText('2/2').waitFor();
    }),

    test('the page follows the end only while the reader is there', async ({ page }) => {
      await ask(page, 'A long one');
      await page.locator('.prose').getByText('Paragraph 12.').waitFor();
      assert.ok(await distanceToEnd(page) < 40);
      await page.mouse.move(640, 300);
      await page.mouse.wheel(0, -500);
      await page.getByText('↓ Latest').waitFor();
      const top = await page.locator('.thread-view').evaluate((e) => e.scrollTop);
      await answered(page);
      assert.equal(await page.locator('.thread-view').evaluate((e) => e.scrollTop), top);
      await page.getByText('↓ Latest').click();
      assert.ok(await distanceToEnd(page) < 2);
      assert.equal(await page.getByText('↓ Latest').count(), 0);
    }),

    test('a screen reader hears the answer by sentence', async ({ page }) => {
      await page.evaluate(() => {
        const heard: string[] = [];
        (window as unknown as { heard: string[] }).heard = heard;
        new MutationObserver((records) => records.forEach((r) => r.addedNodes.forEach((n) => heard.push(n.textContent ?? ''))))
          .observe(document.querySelector('[role="log"]')!, { childList: true });
      });
      await ask(page, 'A story, slow please');
      await answered(page);
      const heard = await page.evaluate(() => (window as unknown as { heard: string[] }).heard);
      assert.deepEqual(heard, [
        'Owlet is answering.', 'Once a small owl could not sleep by day.', 'So she asked the sun to wait a little.', 'The sun smiled and waited.',
        'The owl closed one eye, and then the other.', 'When the sun went down, she was the first one awake.',
      ]);
    }),

    test('dark and light follow the system, and the switch', async ({ page }) => {
      const ground = (): Promise<string> => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      assert.equal(await ground(), 'rgb(25, 24, 22)');
      await page.locator('button[aria-label="Colours: as the system"]').click();
      assert.equal(await ground(), 'rgb(252, 251, 249)');
      await page.reload();
      await ready(page);
      assert.equal(await ground(), 'rgb(252, 251, 249)');
    }, { colorScheme: 'dark' }),

    test('keys: new line, sidebar, the list of keys', async ({ page }) => {
      await page.locator('.composer-field').focus();
      await page.keyboard.type('one');
      await page.keyboard.press('Shift+Enter');
      await page.keyboard.type('two?');
      assert.equal(await page.locator('.composer-field').inputValue(), 'one\ntwo?');
      await page.keyboard.press('Control+b');
      assert.equal(await page.locator('.sidebar').count(), 0);
      await page.keyboard.press('Control+b');
      assert.equal(await page.locator('.sidebar').count(), 1);
      await page.locator('.keys-button').focus();
      await page.keyboard.press('?');
      await page.locator('dialog.keys').waitFor();
      await page.keyboard.press('Escape');
      await page.locator('dialog.keys').waitFor({ state: 'detached' });
    }),

    test('everything fits into 380 pixels', async ({ page }) => {
      const fits = async (what: string): Promise<void> => {
        const width = await page.evaluate(() => Math.max(document.documentElement.scrollWidth, document.querySelector('.thread-view')!.scrollWidth));
        assert.ok(width <= 380, `${what} is ${width} pixels wide`);
      };
      await fits('the empty page');
      await ask(page, 'Show me a table and code');
      await answered(page);
      await fits('a table and code');
      await ask(page, 'x'.repeat(300));
      await answered(page);
      await fits('a long word');
      await page.locator('button[aria-label="Settings"]').click();
      await fits('the settings');
      assert.ok((await page.locator('.panel').boundingBox())!.x >= 0);
      await page.locator('.panel button[aria-label="Close"]').click();
      await page.locator('button[aria-label="Show chats"]').click();
      await fits('the chats');
      await page.locator('button[aria-label="Hide chats"]').click();
      await ask(page, 'Please refuse');
      await answered(page);
      await fits('a failure');
      assert.equal(await page.locator('.answer .facts').first().evaluate((e) => getComputedStyle(e).opacity), '1');
    }, phone),

    test('a sheet takes the focus and gives it back', async ({ page }) => {
      const focused = (): Promise<string | null | undefined> => page.evaluate(() => document.activeElement?.closest('[aria-label]')?.getAttribute('aria-label'));
      await page.locator('button[aria-label="Settings"]').focus();
      await page.keyboard.press('Enter');
      await page.locator('.panel').waitFor();
      await page.keyboard.press('Tab');
      assert.equal(await page.evaluate(() => document.activeElement?.closest('.panel') !== null), true);
      await page.keyboard.press('Escape');
      await page.locator('.panel').waitFor({ state: 'detached' });
      await page.waitForFunction(() => document.activeElement?.getAttribute('aria-label') === 'Settings', undefined, { timeout: 2000 }).catch(() => undefined);
      assert.equal(await focused(), 'Settings');
    }, phone),

    test('what came of an answer survives a reload in its middle', async ({ page }) => {
      await ask(page, 'A story, slow please');
      await page.locator('.prose').getByText('The sun smiled').waitFor();
      await page.reload();
      assert.match(await answered(page), /^Once a small owl could not sleep[^]*Stopped/);
    }),

    test('stillness is respected', async ({ page }) => {
      await ask(page, 'A story, slow please');
      const eyes = page.locator('.bar .owl-blinking .owl-eyes');
      await eyes.waitFor();
      assert.equal(await eyes.evaluate((e) => getComputedStyle(e).animationName), 'none');
    }, { reducedMotion: 'reduce' }),

    ['a static site asks for a server and its key', async () => {
      const site = await MockServer.start({ api: false });
      const server = await MockServer.start({ page: false, key: 'secret' });
      const v = await visit(browser, [site.url, server.url]);
      try {
        const { page } = v;
        await page.getByText('Where is your Owlet?').waitFor();
        await page.getByLabel('Server address').fill('not an address');
        await page.getByText('Connect', { exact: true }).click();
        await page.getByText('That is not an address.').waitFor();
        await page.getByLabel('Server address').fill(server.url);
        await page.getByLabel('API key').fill('wrong');
        await page.getByText('Connect', { exact: true }).click();
        await page.getByText('Invalid API key.').waitFor();
        await page.getByLabel('API key').fill('secret');
        await page.getByText('Connect', { exact: true }).click();
        await ready(page);
        await ask(page, 'What is the capital of Peru?');
        assert.match(await answered(page), /Lima/);
        await page.reload();
        assert.match(await answered(page), /Lima/);
        assert.deepEqual(v.complaints, []);
        assert.deepEqual(v.strangers, []);
      } finally {
        await v.close();
        await site.stop();
        await server.stop();
      }
    }],
  ];
}

function distanceToEnd(page: Page): Promise<number> {
  return page.locator('.thread-view').evaluate((e) => e.scrollHeight - e.scrollTop - e.clientHeight);
}
