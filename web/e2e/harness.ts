// Runs end-to-end tests one after the other and ends with the line that every suite of Owlet ends with.

export type Test = [name: string, body: () => Promise<void>];

const kTimeoutMs = 60_000;

export async function runTests(tests: readonly Test[]): Promise<void> {
  let failed = 0;
  for (const [name, body] of tests) {
    try {
      await within(kTimeoutMs, body());
      console.log(`ok    ${name}`);
    } catch (error) {
      failed++;
      console.log(`FAIL  ${name}\n${String(error instanceof Error ? error.stack : error).replace(/^/gm, '      ')}`);
    }
  }
  console.log(`${tests.length - failed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${ms / 1000} s`)), ms);
  });
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}
