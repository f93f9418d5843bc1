// @vitest-environment node
import { expect, it, vi } from 'vitest';
import { variantOf } from './variant';

const kAll = ['single', 'single-relaxed', 'threads', 'threads-relaxed'];

it('takes several threads where the page is isolated and there is more than one core', () => {
  vi.stubGlobal('navigator', { hardwareConcurrency: 4 });
  expect(variantOf(kAll, true, true)).toBe('threads-relaxed');
  expect(variantOf(kAll, false, true)).toBe('single-relaxed');
  vi.stubGlobal('navigator', { hardwareConcurrency: 1 });
  expect(variantOf(kAll, true, true)).toBe('single-relaxed');
  vi.unstubAllGlobals();
});

it('takes relaxed products only where they are known, and what the site has', () => {
  vi.stubGlobal('navigator', { hardwareConcurrency: 4 });
  expect(variantOf(kAll, true, false)).toBe('threads');
  expect(variantOf(kAll, false, false)).toBe('single');
  expect(variantOf(['threads', 'single'], true, true)).toBe('threads');
  expect(variantOf(['single-relaxed', 'single'], true, true)).toBe('single-relaxed');
  vi.unstubAllGlobals();
});
