// A test program of GoogleTest's, compiled to WebAssembly, in a browser's worker as the engine is: what it prints, line by line.
//   npm run e2e:conformance -- PROGRAM.cjs [ARGUMENTS]

import { basename, dirname } from 'node:path';
import { launch } from './browser';
import { SiteServer } from './site_server';

const [program, ...programArguments] = process.argv.slice(2);
if (!program) throw new Error('which program?');
const server = await SiteServer.start(dirname(program), false);
const url = `${server.url}/${basename(program)}`;
const browser = await launch();
const page = await browser.newPage();
page.on('console', (message) => message.type() === 'log' && console.log(message.text()));
await page.goto(url);  // as text: all that matters is where it lies

// In the page, so without anything from here.
process.exitCode = await page.evaluate(({ url, args }) => new Promise<number>((resolve) => {
  const inWorker = (url: string, args: string[]): void => {
    const say = (what: string | number): void => postMessage(what);
    Object.assign(self, { Module: { arguments: args, print: say, printErr: say, onExit: say, locateFile: (name: string) => new URL(name, url).href } });
    self.onunhandledrejection = ({ reason }) => { throw reason; };
    (self as unknown as { importScripts(url: string): void }).importScripts(url);
  };
  const source = new Blob([`(${inWorker})(${JSON.stringify(url)}, ${JSON.stringify(args)})`], { type: 'text/javascript' });
  const worker = new Worker(URL.createObjectURL(source));
  worker.onmessage = ({ data }: MessageEvent<string | number>) => (typeof data === 'number' ? resolve(data) : console.log(data));
  const giveUp = (why: string): void => {
    console.log(`Error: ${why}`);
    resolve(1);
  };
  worker.onerror = ({ message }) => giveUp(message);
  setTimeout(giveUp, 600_000, 'it was not through after ten minutes');
}), { url, args: programArguments });

await browser.close();
await server.stop();
