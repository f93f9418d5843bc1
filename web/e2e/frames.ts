// How smoothly the page draws while an answer of some 200 tokens a second arrives in a chat of 1,000 messages: its frames, and tasks longer than the 50 ms
// that a browser calls long. Not a test.
//   SECONDS  of the answer (11)

import { ask, launch, ready, visit } from './browser';
import { MockServer } from './mock-server';
import { footMenu, giveFile, longAnswer, longChat, openChat } from './scene';

const kSeconds = Number(process.env.SECONDS ?? 11);
const kLeadMs = 1000;  // before counting begins

const server = await MockServer.start({ answers: [longAnswer(400 * kSeconds, 0)], pace: 4, context: 1e9 });
const browser = await launch();
const { page, close } = await visit(browser, [server.url]);
await ready(page);
await giveFile(page, () => footMenu(page, 'Read chats from a file'), 'long.json', longChat(1000));
await openChat(page, 'Long');
await page.getByText('Answer 499').waitFor();
await ask(page, 'answer 0');
await page.locator('.answer').last().waitFor();
await page.waitForTimeout(kLeadMs);
const before = server.written;
const { gaps, tasks } = await page.evaluate(watch, kSeconds * 1000);
const rate = (server.written - before) / kSeconds;
gaps.sort((a, b) => a - b);
const gap = (share: number): string => gaps[Math.floor(share * (gaps.length - 1))]!.toFixed(1);
console.log(`${rate.toFixed(0)} tokens/s: ${(gaps.length / kSeconds).toFixed(1)} frames a second, ${gap(0.5)}, ${gap(0.95)}, ${gap(0.99)} and ${gap(1)} ms after the one before ` +
  `(half of them, 95 and 99 of a hundred, all); tasks over 50 ms: ${tasks.length === 0 ? 'none' : tasks.map((ms) => ms.toFixed(0)).join(', ')}`);
await close();
await browser.close();
await server.stop();

// In the page: the time between frames, and long tasks.
async function watch(ms: number): Promise<{ gaps: number[]; tasks: number[] }> {
  const gaps: number[] = [], tasks: number[] = [];
  const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map((entry) => entry.duration)));
  observer.observe({ type: 'longtask' });
  const began = performance.now();
  for (let last = began; last - began < ms;) {
    const now = await new Promise<number>((resolve) => requestAnimationFrame(() => resolve(performance.now())));
    gaps.push(now - last);
    last = now;
  }
  observer.disconnect();
  return { gaps, tasks };
}
