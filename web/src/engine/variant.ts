// Which of the engines that a site has is this browser's: a folder's name, `single` or `threads`, and `-relaxed` where dot products of
// relaxed SIMD are known. The worker loads it, and the service worker keeps no other.

// (func (param v128 v128) (result v128) local.get 0 local.get 1 i16x8.relaxed_dot_i8x16_i7x16_s)
const kRelaxedDot = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00,                          // WebAssembly, version 1
  0x01, 0x07, 0x01, 0x60, 0x02, 0x7b, 0x7b, 0x01, 0x7b,                    // types
  0x03, 0x02, 0x01, 0x00,                                                  // functions
  0x0a, 0x0b, 0x01, 0x09, 0x00, 0x20, 0x00, 0x20, 0x01, 0xfd, 0x92, 0x02, 0x0b,  // code
]);

export const hasRelaxedSimd = (): boolean => WebAssembly.validate(kRelaxedDot);

export function variantOf(built: readonly string[], isolated: boolean, relaxed = hasRelaxedSimd()): string {
  const threads = isolated && navigator.hardwareConcurrency > 1;
  const fitting = built.filter((name) => (threads || !name.startsWith('threads')) && (relaxed || !name.endsWith('-relaxed')));
  return fitting.sort().at(-1) ?? 'single';  // threads before one thread, relaxed before not
}
