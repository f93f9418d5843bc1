// @vitest-environment node
import { createHash } from 'node:crypto';
import { expect, it, vi } from 'vitest';
import { Sha256, sha256Of } from './sha256';

const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 31 + 7) & 255);

it('agrees with another implementation at every length around its blocks', () => {
  for (let n = 0; n <= 200; n++) {
    const part = bytes.subarray(0, n);
    expect(new Sha256().update(part).digest()).toBe(createHash('sha256').update(part).digest('hex'));
  }
});

it('does not mind how the bytes are cut', () => {
  const whole = createHash('sha256').update(bytes).digest('hex');
  for (const size of [1, 63, 64, 65, 127, 300]) {
    const hash = new Sha256();
    for (let at = 0; at < bytes.length; at += size) hash.update(bytes.subarray(at, at + size));
    expect(hash.digest()).toBe(whole);
  }
});

it('is the same of a whole, with the browser\'s own and without', async () => {
  const whole = createHash('sha256').update(bytes).digest('hex');
  expect(await sha256Of(bytes)).toBe(whole);
  vi.stubGlobal('crypto', {});
  expect(await sha256Of(bytes)).toBe(whole);
  vi.unstubAllGlobals();
});
