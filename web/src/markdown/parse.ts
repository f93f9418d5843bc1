// Markdown to a tree of nodes from a closed list. Raw HTML stays text, and links lead only where safeHref lets them, so
// that nothing a model writes can run or fetch anything.

import MarkdownIt from 'markdown-it';
import type Token from 'markdown-it/lib/token.mjs';
import { once } from '../once';
import { formulas } from './formulas';

export interface Block {
  source: string;     // the lines it was made from: equal source, equal block
  nodes: Node[];
  line: number;       // where it begins
}

export type Tag =
  | 'p' | 'h1' | 'h2' | 'h3' | 'h4' | 'h5' | 'h6' | 'blockquote' | 'ul' | 'ol' | 'li'
  | 'table' | 'thead' | 'tbody' | 'tr' | 'th' | 'td' | 'strong' | 'em' | 's';

export type Node =
  | { kind: 'text'; text: string }
  | { kind: 'break' }
  | { kind: 'rule' }
  | { kind: 'inline-code'; text: string }
  | { kind: 'code'; text: string; language: string }
  | { kind: 'formula'; tex: string; display: boolean }
  | { kind: 'link'; href: string; children: Node[] }
  | { kind: 'image'; href: string; alt: string }
  | { kind: 'element'; tag: Tag; start?: number; align?: 'left' | 'center' | 'right'; children: Node[] }
  | { kind: 'group'; children: Node[] };

const kTags: ReadonlySet<string> = new Set<Tag>([
  'p', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'blockquote', 'ul', 'ol', 'li',
  'table', 'thead', 'tbody', 'tr', 'th', 'td', 'strong', 'em', 's',
]);

// Beyond this an answer is shown as plain text: no honest one is longer, and a hostile one could cost seconds a frame.
const kMaxMarkdown = 256 * 1024;

const kMaxAddresses = 200;

const kOptions = { html: false, typographer: false, maxNesting: 40 };  // the types forget maxNesting
const parser = once(() => {
  const made = new MarkdownIt(kOptions);
  formulas(made);
  made.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });
  made.validateLink = (url) => safeHref(url) !== null;
  return made;
});

// The address to open, or null. Only absolute web and mail addresses pass.
export function safeHref(url: string): string | null {
  try {
    const parsed = new URL(url);
    return ['https:', 'http:', 'mailto:'].includes(parsed.protocol) ? parsed.href : null;
  } catch {
    return null;
  }
}

export function parseMarkdown(source: string): Block[] {
  if (source.length > kMaxMarkdown) return plain(source);
  return parse(source, 0);
}

// Parses a text of which `before` was the beginning. What came before the last two blocks is taken over: an arriving answer
// costs what it grows by, not what it has become. A text that names links is read anew, since they may be named anywhere.
export function parseGrown(source: string, before: Parsed | null): Parsed {
  if (source.length > kMaxMarkdown) return { source, blocks: plain(source) };
  const stable = before && !/^\s{0,3}\[[^\]]+\]:/m.test(source) ? before.blocks.slice(0, -2) : [];
  const line = before?.blocks[stable.length]?.line ?? 0;
  const start = offsetOf(source, line);
  if (!before || stable.length === 0 || before.source.slice(0, start) !== source.slice(0, start)) return { source, blocks: parse(source, 0) };
  return { source, blocks: [...stable, ...parse(source.slice(start), line)] };
}

export interface Parsed {
  source: string;
  blocks: Block[];
}

function plain(source: string): Block[] {
  return [{ source, nodes: [{ kind: 'code', text: source, language: '' }], line: 0 }];
}

function offsetOf(source: string, line: number): number {
  let at = 0;
  for (let i = 0; i < line; i++) {
    at = source.indexOf('\n', at) + 1;
    if (at === 0) return source.length;
  }
  return at;
}

function parse(source: string, firstLine: number): Block[] {
  const lines = source.split('\n');
  const blocks: Block[] = [];
  let from = 0;
  // Finding bare addresses takes time with the square of their number.
  const linkify = source.split('://', kMaxAddresses + 1).length <= kMaxAddresses;
  const tokens = parser().set({ linkify }).parse(source, {});
  for (let i = 0, depth = 0; i < tokens.length; i++) {
    depth += tokens[i]!.nesting;
    if (depth > 0) continue;
    const [start, end] = tokens[from]!.map ?? [0, lines.length];
    blocks.push({ source: lines.slice(start, end).join('\n'), nodes: treeOf(tokens.slice(from, i + 1)), line: firstLine + start });
    from = i + 1;
  }
  return blocks;
}

// A flat list of opening and closing tokens as a tree.
function treeOf(tokens: readonly Token[]): Node[] {
  const root: Node[] = [];
  const stack: Node[][] = [root];
  for (const token of tokens) {
    const into = stack[stack.length - 1]!;
    if (token.nesting === 1) {
      const children: Node[] = [];
      into.push(opened(token, children));
      stack.push(children);
    } else if (token.nesting === -1) {
      if (stack.length > 1) stack.pop();
    } else {
      into.push(...leaf(token));
    }
  }
  return root;
}

function opened(token: Token, children: Node[]): Node {
  if (token.hidden) return { kind: 'group', children };  // the paragraphs of a tight list
  if (token.type === 'link_open') {
    const href = safeHref(String(token.attrGet('href') ?? ''));
    return href === null ? { kind: 'group', children } : { kind: 'link', href, children };
  }
  if (!kTags.has(token.tag)) return { kind: 'group', children };
  const start = Number(token.attrGet('start') ?? NaN);
  const align = /text-align:(left|center|right)/.exec(String(token.attrGet('style') ?? ''))?.[1];
  return {
    kind: 'element',
    tag: token.tag as Tag,
    ...(Number.isSafeInteger(start) ? { start } : {}),
    ...(align ? { align: align as 'left' } : {}),
    children,
  };
}

function leaf(token: Token): Node[] {
  switch (token.type) {
    case 'inline': return treeOf(token.children ?? []);
    case 'softbreak': return [{ kind: 'text', text: '\n' }];
    case 'hardbreak': return [{ kind: 'break' }];
    case 'hr': return [{ kind: 'rule' }];
    case 'code_inline': return [{ kind: 'inline-code', text: token.content }];
    case 'code_block': return [{ kind: 'code', text: token.content, language: '' }];
    case 'fence': return [{ kind: 'code', text: token.content, language: token.info.trim().split(/\s/, 1)[0]!.slice(0, 24) }];
    case 'formula': return [{ kind: 'formula', tex: token.content, display: (token.meta as { display: boolean }).display }];
    case 'image': {
      const href = safeHref(String(token.attrGet('src') ?? ''));
      return href === null ? [{ kind: 'text', text: token.content }] : [{ kind: 'image', href, alt: token.content }];
    }
    default: return token.content === '' ? [] : [{ kind: 'text', text: token.content }];
  }
}

// What a screen reader should hear: the words, without the marks.
export function plainText(nodes: readonly Node[]): string {
  return nodes.map((node) => {
    switch (node.kind) {
      case 'text': return node.text;
      case 'inline-code': return node.text;
      case 'formula': return node.tex;
      case 'code': return ' Code block. ';
      case 'break': case 'rule': return '\n';
      case 'image': return node.alt;
      case 'link': case 'group': return plainText(node.children);
      case 'element': return plainText(node.children) + (['strong', 'em', 's'].includes(node.tag) ? '' : '\n');
    }
  }).join('');
}
