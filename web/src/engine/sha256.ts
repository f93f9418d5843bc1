// SHA-256 (FIPS 180-4) of bytes that come piece by piece: the browser's own takes only what is whole, and a model's file twice in
// memory is once too often.

const kBlock = 64;  // bytes

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes, and of the square roots of the first eight.
const kPrimes = ((): number[] => {
  const primes: number[] = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p !== 0)) primes.push(n);
  return primes;
})();
const fraction = (root: number): number => ((root - Math.floor(root)) * 2 ** 32) | 0;
const kRound = Int32Array.from(kPrimes, (p) => fraction(Math.cbrt(p)));
const kStart = Int32Array.from(kPrimes.slice(0, 8), (p) => fraction(Math.sqrt(p)));

export class Sha256 {
  private readonly state = Int32Array.from(kStart);
  private readonly words = new Int32Array(64);
  private readonly rest = new Uint8Array(kBlock);
  private nRest = 0;
  private nBytes = 0;

  update(bytes: Uint8Array): this {
    this.nBytes += bytes.length;
    let at = 0;
    if (this.nRest > 0) {
      at = Math.min(kBlock - this.nRest, bytes.length);
      this.rest.set(bytes.subarray(0, at), this.nRest);
      this.nRest += at;
      if (this.nRest < kBlock) return this;
      this.block(this.rest, 0);
      this.nRest = 0;
    }
    for (; at + kBlock <= bytes.length; at += kBlock) this.block(bytes, at);
    this.rest.set(bytes.subarray(at));
    this.nRest = bytes.length - at;
    return this;
  }

  // In hexadecimal digits. Nothing can be added afterwards.
  digest(): string {
    const nBits = this.nBytes * 8;
    const end = new Uint8Array((this.nRest < 56 ? 64 : 128) - this.nRest);
    end[0] = 0x80;
    const view = new DataView(end.buffer);
    view.setUint32(end.length - 8, Math.floor(nBits / 2 ** 32));
    view.setUint32(end.length - 4, nBits >>> 0);
    this.update(end);
    return Array.from(this.state, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }

  private block(bytes: Uint8Array, at: number): void {
    const w = this.words;
    for (let i = 0; i < 16; i++, at += 4) {
      w[i] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
    }
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15]!, y = w[i - 2]!;
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16]! + s0 + w[i - 7]! + s1) | 0;
    }
    const state = this.state;
    let a = state[0]!, b = state[1]!, c = state[2]!, d = state[3]!, e = state[4]!, f = state[5]!, g = state[6]!, h = state[7]!;
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + kRound[i]! + w[i]!) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g, g = f, f = e, e = (d + t1) | 0, d = c, c = b, b = a, a = (t1 + t2) | 0;
    }
    state[0]! += a, state[1]! += b, state[2]! += c, state[3]! += d, state[4]! += e, state[5]! += f, state[6]! += g, state[7]! += h;
  }
}

// Of bytes that are all here: by the browser where it does that, on a page that came encrypted or from this machine.
export async function sha256Of(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const { subtle } = globalThis.crypto as { subtle?: SubtleCrypto };
  if (!subtle) return new Sha256().update(bytes).digest();
  const digest = new Uint8Array(await subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
