// Makes one HTML file of what Vite built: script and styles inlined, icons and manifest as data addresses, and a
// Content-Security-Policy that lets exactly these texts run. The server can then send the page as one compressed file.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Plugin } from 'vite';
import { buildParts } from './parts';

// A site of its own has scripts beside it, which workers run, and a manifest; `isSite` lets it.
export function singleFile(isSite: boolean): Plugin {
  return {
    name: 'single-file',
    apply: 'build',
    enforce: 'post',
    async generateBundle(_options, bundle) {
      let script = '';
      let style = '';
      for (const [name, output] of Object.entries(bundle)) {
        if (output.type === 'chunk') script += output.code;
        else if (name.endsWith('.css')) style += String(output.source);
        else continue;
        delete bundle[name];
      }
      const html = bundle['index.html'];
      if (html?.type !== 'asset') this.error('there is no index.html in the build');
      html.source = page(isSite, String(html.source), safeInline(script.trim(), 'script'), safeInline(style.trim(), 'style'),
        new Map([...await buildParts()].map(([name, code]) => [name, safeInline(code, 'script')])));
    },
  };
}

const kPartType = 'text/plain';

// The page without what it loads when needed.
export function withoutParts(html: string): string {
  return html.replace(new RegExp(`<script type="${kPartType}"[^]*?</script>\\n?`, 'g'), '');
}

function page(isSite: boolean, html: string, script: string, style: string, parts: Map<string, string>): string {
  const bare = html.replace(/<script type="module"[^>]*><\/script>\s*/, '').replace(/<link rel="stylesheet"[^>]*>\s*/, '');
  const policy = [
    "default-src 'none'",
    `script-src ${[script, ...parts.values()].map((code) => `'${hash(code)}'`).join(' ')}`,
    `style-src '${hash(style)}'`,
    'img-src data:',
    isSite ? "manifest-src 'self'" : 'manifest-src data:',
    ...(isSite ? ["worker-src 'self'"] : []),
    `connect-src ${isSite ? "'self' " : ''}http: https:`,  // the visitor may name any server
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    `trusted-types ${isSite ? 'owlet' : "'none'"}`,
  ].join('; ');
  const head = [
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    `<link rel="icon" href="${dataUrl('image/svg+xml', art('icon.svg'))}">`,
    `<link rel="manifest" href="${isSite ? 'manifest.webmanifest' : dataUrl('application/manifest+json', manifest())}">`,
    `<style>${style}</style>`,
  ].join('\n');
  const later = [...parts].map(([name, code]) => `<script type="${kPartType}" id="part-${name}">${code}</script>`).join('\n');
  // Functions, so that a `$` in the texts is not taken for a group. The policy comes before anything it governs.
  return bare
    .replace('<meta charset="utf-8">', () => `<meta charset="utf-8">\n${head}`)
    .replace('</body>', () => `<script type="module">${script}</script>\n${later}\n</body>`);
}

export function manifest(): string {
  const icon = (file: string, purpose: string): object => ({
    src: dataUrl('image/svg+xml', art(file)), type: 'image/svg+xml', sizes: 'any', purpose,
  });
  return JSON.stringify({
    name: 'Owlet',
    short_name: 'Owlet',
    display: 'standalone',
    background_color: '#191816',
    theme_color: '#191816',
    icons: [icon('icon.svg', 'any'), icon('icon_maskable.svg', 'maskable')],
  });
}

function art(file: string): string {
  return readFileSync(new URL(`../src/art/${file}`, import.meta.url), 'utf8').trim();
}

function dataUrl(type: string, content: string): string {
  return `data:${type},${encodeURIComponent(content)}`;
}

function hash(content: string): string {
  return `sha256-${createHash('sha256').update(content, 'utf8').digest('base64')}`;
}

// Nothing inside may end the element. In scripts "<\/" means "</" wherever such a text can stand.
function safeInline(content: string, element: 'script' | 'style'): string {
  if (element === 'script') return content.replace(/<\/(script)/gi, '<\\/$1').replace(/<!--/g, '<\\!--');
  if (/<\/style/i.test(content)) throw new Error('the styles contain </style');
  return content;
}
