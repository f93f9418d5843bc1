// An hour of streaming, faster: as many tokens as an hour brings at 200 a second, over many chats, and the page's memory on the way. Ends with an
// error if it still grows when no more chats are held than the page means to hold.

import { launch, ready, visit } from './browser';
import { kMostOpened } from '../src/chat/store';
import { MockServer } from './mock-server';
import { frames, longAnswer } from './scene';

const kTokens = 720_000;
const kChats = 90;
const kAnswers = 2;       // of each chat
const kEvery = 6;         // chats between two looks at the memory
const kMayGrow = 1.1;     // of what it was when the page first held as many chats as it ever does

const server = await MockServer.start({ answers: Array.from({ length: kAnswers }, (_, i) => longAnswer(kTokens / kChats / kAnswers, i)), pace: 16, burst: 64, context: 1e9 });
const browser = await launch();
const { page, complaints, close } = await visit(browser, [server.url]);
const session = await page.context().newCDPSession(page);
await session.send('Performance.enable');
await ready(page);

const heaps: number[] = [];
let streamed = 0;
const began = Date.now();
for (let chat = 1; chat <= kChats; chat++) {
  await page.keyboard.press('Control+Shift+O');
  await ready(page);
  for (let i = 0; i < kAnswers; i++) {
    await page.locator('.composer-field').fill(`answer ${i}`);
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelector<HTMLTextAreaElement>('.composer-field')!.value === '');
    await page.locator('.composer-button[aria-label="Send"]').waitFor({ timeout: 300_000 });
  }
  streamed = server.written;
  if (chat % kEvery === 0) heaps.push(await measure());
}
console.log(`${streamed} tokens in ${Math.round((Date.now() - began) / 1000)} s`);
const grown = heaps.at(-1)! / heaps[kMostOpened / kEvery - 1]!;
if (grown > kMayGrow || complaints.length > 0) {
  console.log(`FAIL  the heap grew by ${Math.round(100 * (grown - 1))} %`, complaints);
  process.exitCode = 1;
}
await close();
await browser.close();
await server.stop();

// The heap in MB, garbage collected, with the nodes and listeners of the page, which are told too.
async function measure(): Promise<number> {
  await page.evaluate(frames, 10);
  for (let i = 0; i < 3; i++) await session.send('HeapProfiler.collectGarbage');
  const { metrics } = await session.send('Performance.getMetrics');
  const of = (name: string): number => metrics.find((m) => m.name === name)?.value ?? 0;
  const heap = of('JSHeapUsedSize') / 1e6;
  console.log(`${streamed} tokens: heap ${heap.toFixed(1)} MB, ${of('Nodes')} nodes, ${of('JSEventListeners')} listeners`);
  return heap;
}
