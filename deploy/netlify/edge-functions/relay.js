// Netlify's edge function: the site's /v1 leads to the Owlet server at OWLET_URL, with the key in OWLET_KEY. Neither reaches a visitor.
// OWLET_PER_MINUTE: questions from one address (20).
import { makeRelay } from '../../../web/relay/relay.js';

const setting = (name) => Netlify.env.get(name);
const url = setting('OWLET_URL');
const relay = url && makeRelay({ url: url.replace(/\/+$/, ''), key: setting('OWLET_KEY'), perMinute: Number(setting('OWLET_PER_MINUTE') ?? 20) });

// Without a server to lead to, the path is the site's like any other.
export default (request, context) => (relay ? relay(request, context.ip) : context.next());
export const config = { path: '/v1/*' };
