// Formulas in Markdown: $a$ and \(a\) inside a line, $$a$$ and \[a\] on lines of their own or inside one. A dollar opens only
// before something that is not white space, and closes only after such and not before a digit, so that prices stay prices.

import type MarkdownIt from 'markdown-it';
import type StateBlock from 'markdown-it/lib/rules_block/state_block.mjs';
import type StateInline from 'markdown-it/lib/rules_inline/state_inline.mjs';

const kMaxLength = 4000;  // characters: longer ones stay text

export function formulas(parser: MarkdownIt): void {
  parser.inline.ruler.before('escape', 'formula', inline);
  parser.block.ruler.before('fence', 'formula_block', block, { alt: ['paragraph', 'reference', 'blockquote', 'list'] });
}

const kInline = [
  { open: '$$', close: '$$', display: true },
  { open: '\\[', close: '\\]', display: true },
  { open: '\\(', close: '\\)', display: false },
  { open: '$', close: '$', display: false },
];

function inline(state: StateInline, silent: boolean): boolean {
  const { src, pos, posMax } = state;
  const kind = kInline.find(({ open }) => src.startsWith(open, pos));
  if (!kind) return false;
  const from = pos + kind.open.length;
  const to = closing(src, from, Math.min(posMax, from + kMaxLength), kind.close);
  if (to < 0) return false;
  if (!silent) {
    const token = state.push('formula', '', 0);
    token.content = src.slice(from, to).trim();
    token.meta = { display: kind.display };
  }
  state.pos = to + kind.close.length;
  return true;
}

function closing(src: string, from: number, most: number, close: string): number {
  const dollar = close === '$';
  if (dollar && (from >= most || /[\s$]/.test(src[from]!))) return -1;
  for (let at = src.indexOf(close, from); at >= 0 && at < most; at = src.indexOf(close, at + 1)) {
    if (at === from) return -1;
    if (src[at - 1] === '\\' && close.startsWith('$')) continue;
    if (!dollar) return at;
    if (/\n\n|\$/.test(src.slice(from, at))) return -1;
    if (!/\s/.test(src[at - 1]!) && !/\d/.test(src[at + 1] ?? ' ')) return at;
  }
  return -1;
}

// From a line that begins with $$ or \[ to the one that ends with its counterpart.
function block(state: StateBlock, start: number, end: number, silent: boolean): boolean {
  if (state.sCount[start]! - state.blkIndent >= 4) return false;
  const line = (at: number): string => state.src.slice(state.bMarks[at]! + state.tShift[at]!, state.eMarks[at]);
  const first = line(start);
  const close = first.startsWith('$$') ? '$$' : first.startsWith('\\[') ? '\\]' : null;
  if (close === null) return false;
  let length = 0;
  for (let at = start; at < end && length < kMaxLength; at++) {
    const words = (at === start ? first.slice(2) : line(at)).trimEnd();
    length += words.length + 1;
    if (at > start && state.isEmpty(at)) return false;
    if (!words.endsWith(close)) {
      if (words.includes(close)) return false;  // more follows on that line: a formula inside a text
      continue;
    }
    if (silent) return true;
    const token = state.push('formula', '', 0);
    token.block = true;
    token.content = state.getLines(start, at + 1, state.blkIndent, false).trim().slice(2, -2).trim();
    token.meta = { display: true };
    token.map = [start, at + 1];
    state.line = at + 1;
    return true;
  }
  return false;
}
