// Builds the page and keeps it compressed in page.html.gz, which the server sends as it is. With --check nothing is
// written: it fails where page.html.gz is not what the sources build. What is compared is the page, not the compressed
// bytes, because those differ between versions of zlib.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { build } from 'vite';
import { withoutParts } from './single_file';

const kKept = 'page.html.gz';
const kMaxCompressed = 250_000;  // bytes, without the parts that load when needed

async function main(): Promise<number> {
  const check = process.argv.includes('--check');
  process.env.NODE_ENV = 'production';  // the tool that runs this file says 'development', and React would believe it
  const dir = check ? mkdtempSync(join(tmpdir(), 'owlet-page-')) : 'dist';
  try {
    await build({ logLevel: 'warn', build: { outDir: dir, emptyOutDir: true } });
    const page = readFileSync(join(dir, 'index.html'));
    const compressed = compress(page);
    const kept = existsSync(kKept) ? gunzipSync(readFileSync(kKept)) : null;
    const same = kept !== null && kept.equals(page);
    const first = compress(Buffer.from(withoutParts(page.toString('utf8')))).length;
    console.log(`page: ${page.length} bytes, compressed ${compressed.length}, of which ${first} are needed at first`);
    if (first > kMaxCompressed) return fail(`the page is larger than ${kMaxCompressed} bytes compressed`);
    if (check && !same) return fail(`web/${kKept} is not what the sources build: run \`npm run build\` in web/ and commit it`);
    if (!same) writeFileSync(kKept, compressed);
    return 0;
  } finally {
    if (check) rmSync(dir, { recursive: true });
  }
}

function compress(page: Buffer): Buffer {
  const compressed = gzipSync(page, { level: 9 });  // node writes no time
  compressed[9] = 255;  // operating system: unknown, not the one that built it
  return compressed;
}

function fail(why: string): number {
  console.error(why);
  return 1;
}

process.exitCode = await main();
