// Between a page and an Owlet server whose key no visitor may know. Plain functions of web standards: Netlify's edge (Deno) runs them, node tests them.
//
//   GET  /v1/models               as the server says
//   POST /v1/chat/completions     as a stream, always: the head goes out at once, and comments keep the way open while the model thinks
//
// Only known fields of a request pass, within bounds, and so many requests a minute from one address. The count is of one instance of the
// function: a bound on what one visitor can take, and no more.

const kFields = ['model', 'messages', 'temperature', 'top_p', 'max_tokens', 'seed', 'top_k', 'min_p', 'repetition_penalty', 'stream_options', 'stop'];
const kMaxBody = 256 * 1024;  // bytes
const kMostAddresses = 10_000;
const kHeaders = { 'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-store' };

// options: url (of the server, without /v1), key, perMinute, heartbeatMs; fetch and now for tests.
export function makeRelay({ url, key = '', perMinute = 20, heartbeatMs = 10_000, fetch: reach = fetch, now = Date.now }) {
  const limit = makeLimit(perMinute, now);
  const headers = { 'Content-Type': 'application/json', ...(key ? { Authorization: `Bearer ${key}` } : {}) };

  return async function relay(request, address) {
    const { pathname } = new URL(request.url);
    if (pathname === '/v1/models' && request.method === 'GET') return models(reach, url, headers);
    if (pathname !== '/v1/chat/completions') return refuse(404, `There is nothing at '${pathname.slice(0, 100)}'.`);
    if (request.method !== 'POST') return refuse(405, 'Chats are asked for with POST.');
    const wait = limit(address);
    if (wait > 0) return refuse(429, 'Too many questions in a minute.', { 'Retry-After': String(Math.ceil(wait / 1000)) });
    const body = await bodyOf(request);
    if (typeof body === 'string') return refuse(400, body);
    const gone = new AbortController();
    const answer = reach(`${url}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify(body), signal: gone.signal });
    return new Response(stream(answer, gone, heartbeatMs), { headers: { ...kHeaders, 'Content-Type': 'text/event-stream' } });
  };
}

async function models(reach, url, headers) {
  try {
    const answer = await reach(`${url}/v1/models`, { headers });
    return new Response(await answer.text(), { status: answer.status, headers: { ...kHeaders, 'Content-Type': 'application/json' } });
  } catch {
    return refuse(502, 'The server does not answer.');
  }
}

// What may pass, or what is wrong.
async function bodyOf(request) {
  const text = await textWithin(request, kMaxBody);
  if (text === null) return `A request has at most ${kMaxBody} bytes.`;
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    return 'The body is not JSON.';
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return 'The body is not an object.';
  const unknown = Object.keys(body).find((name) => name !== 'stream' && !kFields.includes(name));
  if (unknown !== undefined) return `'${unknown.slice(0, 100)}' does not pass this way.`;
  return { ...body, stream: true };
}

// Reads no more than there may be.
async function textWithin(request, most) {
  if (!request.body) return '';
  const pieces = [];
  let n = 0;
  for await (const piece of request.body) {
    n += piece.length;
    if (n > most) return null;
    pieces.push(piece);
  }
  return new Blob(pieces).text();
}

// The server's stream, with comments until it begins and wherever it pauses. Whoever stops reading stops the server's work too.
function stream(answer, gone, heartbeatMs) {
  const encoder = new TextEncoder();
  let reader;
  let timer;
  return new ReadableStream({
    async start(controller) {
      const say = (text) => controller.enqueue(encoder.encode(text));
      say(': owlet\n\n');
      timer = setInterval(() => say(':\n\n'), heartbeatMs);
      try {
        const response = await answer;
        if (!response.ok) {
          say(`data: ${(await response.text()).replace(/\s+/g, ' ')}\n\ndata: [DONE]\n\n`);
        } else {
          reader = response.body.getReader();
          for (;;) {
            const { done, value } = await reader.read();
            if (done) break;
            controller.enqueue(value);
          }
        }
      } catch {
        if (gone.signal.aborted) return;
        say(`data: ${JSON.stringify(errorOf(502, 'The server does not answer.'))}\n\n`);
      } finally {
        clearInterval(timer);
      }
      if (!gone.signal.aborted) controller.close();
    },
    cancel() {
      clearInterval(timer);
      gone.abort();
    },
  });
}

// (address) → ms to wait, 0 where the request may pass. Whoever was forgotten to make room begins anew.
function makeLimit(perMinute, now) {
  const seen = new Map();  // address → times of its requests within a minute
  return (address) => {
    const at = now();
    const times = (seen.get(address) ?? []).filter((time) => at - time < 60_000);
    seen.delete(address);
    if (times.length < perMinute) times.push(at);
    else return seen.set(address, times), 60_000 - (at - times[0]);
    seen.set(address, times);
    if (seen.size > kMostAddresses) seen.delete(seen.keys().next().value);
    return 0;
  };
}

function errorOf(status, message) {
  return { error: { message, type: status < 500 ? 'invalid_request_error' : 'server_error', param: null, code: null } };
}

function refuse(status, message, headers = {}) {
  return new Response(JSON.stringify(errorOf(status, message)), { status, headers: { ...kHeaders, 'Content-Type': 'application/json', ...headers } });
}
