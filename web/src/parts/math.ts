// Formulas: KaTeX turns TeX into MathML, which browsers draw with their own fonts, so that no fonts or styles come along. Only
// elements and attributes of a closed list leave this file.

import katex, { type KatexOptions } from 'katex';

export interface MathNode {
  tag: string;
  attributes: Record<string, string>;
  children: (MathNode | string)[];
}

// What KaTeX builds before it is written as text.
interface Built {
  type?: string;
  text?: string;
  attributes?: Record<string, unknown>;
  children?: Built[];
}

const kTags: ReadonlySet<string> = new Set([
  'math', 'mrow', 'mi', 'mn', 'mo', 'mtext', 'mspace', 'mfrac', 'msqrt', 'mroot', 'msub', 'msup', 'msubsup', 'munder', 'mover', 'munderover',
  'mtable', 'mtr', 'mtd', 'mlabeledtr', 'mpadded', 'mphantom', 'mstyle', 'menclose', 'merror',
]);
const kAttributes: ReadonlySet<string> = new Set([
  'display', 'mathvariant', 'stretchy', 'fence', 'separator', 'lspace', 'rspace', 'minsize', 'maxsize', 'accent', 'accentunder', 'linethickness', 'movablelimits',
  'symmetric', 'form', 'scriptlevel', 'displaystyle', 'columnalign', 'columnspacing', 'rowspacing', 'columnlines', 'rowlines', 'width', 'height', 'depth', 'voffset',
  'mathcolor', 'mathbackground', 'notation', 'largeop',
]);
const kMaxDepth = 200;

const build = (katex as unknown as { __renderToDomTree(tex: string, options: KatexOptions): Built }).__renderToDomTree;

// Null for what is not a formula.
export function math(tex: string, display: boolean): MathNode | null {
  try {
    const built = build(tex, { output: 'mathml', displayMode: display, throwOnError: true, strict: 'ignore', trust: false, maxExpand: 300, maxSize: 20, errorColor: 'currentcolor' });
    const root = find(built);
    return root ? (nodeOf(root, 0)[0] as MathNode) : null;
  } catch {
    return null;
  }
}

function find(built: Built): Built | null {
  if (built.type === 'math') return built;
  for (const child of built.children ?? []) {
    const found = find(child);
    if (found) return found;
  }
  return null;
}

function nodeOf(built: Built, depth: number): (MathNode | string)[] {
  if (built.text !== undefined) return [built.text];
  if (built.type === 'annotation' || depth > kMaxDepth) return [];
  const children = (built.children ?? []).flatMap((child) => nodeOf(child, depth + 1));
  if (built.type === undefined || !kTags.has(built.type)) return children;
  const attributes = Object.entries(built.attributes ?? {}).filter(([name]) => kAttributes.has(name)).map(([name, value]) => [name, String(value)]);
  return [{ tag: built.type, attributes: Object.fromEntries(attributes) as Record<string, string>, children }];
}
