// A file server for a built site: sends what the site's `_headers` says, knows ranges, and can be told to break off.

import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';

const kTypes: Record<string, string> = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.mjs': 'text/javascript', '.cjs': 'text/javascript', '.wasm': 'application/wasm', '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
};

const kSilentMs = 1000;

export class SiteServer {
  url = '';
  readonly asked: { path: string; range: string | undefined }[] = [];
  breakModelAfter = Infinity;  // bytes of the next answer with a model, then the connection is cut
  private readonly rules: { path: string; headers: [string, string][] }[];
  private readonly server: Server;

  private constructor(private readonly dir: string, withHeaders: boolean) {
    this.rules = withHeaders ? parseHeaders(readFileSync(join(dir, '_headers'), 'utf8')) : [];
    this.server = createServer((request, response) => this.handle(request, response));
  }

  static start(dir: string, withHeaders = true): Promise<SiteServer> {
    const site = new SiteServer(dir, withHeaders);
    return new Promise((resolve) => site.server.listen(0, '127.0.0.1', () => {
      site.url = `http://127.0.0.1:${(site.server.address() as AddressInfo).port}`;
      resolve(site);
    }));
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  private handle(request: IncomingMessage, response: ServerResponse): void {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://site').pathname);
    const file = join(this.dir, path === '/' ? 'index.html' : path);
    this.asked.push({ path, range: request.headers.range });
    if (path.includes('..') || !existsSync(file) || !statSync(file).isFile()) return void response.writeHead(404).end();
    for (const rule of this.rules.filter((r) => r.path === path || (r.path.endsWith('*') && path.startsWith(r.path.slice(0, -1))))) {
      for (const [name, value] of rule.headers) response.appendHeader(name, value);
    }
    const { size } = statSync(file);
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(from > 0 ? 206 : 200, {
      'Content-Type': kTypes[extname(file)] ?? 'application/octet-stream', 'Content-Length': size - from,
      ...(from > 0 ? { 'Content-Range': `bytes ${from}-${size - 1}/${size}` } : {}),
    });
    const end = path.endsWith('.gguf') ? from + this.breakModelAfter : Infinity;
    if (end >= size) return void createReadStream(file, { start: from }).pipe(response);
    this.breakModelAfter = Infinity;
    // A browser drops what it has received and its page has not yet read, so the connection first falls silent.
    const cut = () => setTimeout(() => response.socket?.destroySoon(), kSilentMs);
    createReadStream(file, { start: from, end: end - 1 }).on('end', cut).pipe(response, { end: false });
  }
}

function parseHeaders(text: string): { path: string; headers: [string, string][] }[] {
  const rules: { path: string; headers: [string, string][] }[] = [];
  for (const line of text.split('\n').filter((l) => l.trim() !== '')) {
    const at = line.indexOf(':');
    if (!line.startsWith(' ')) rules.push({ path: line.trim(), headers: [] });
    else rules.at(-1)!.headers.push([line.slice(0, at).trim(), line.slice(at + 1).trim()]);
  }
  return rules;
}
