import { renderToStaticMarkup } from 'react-dom/server';
import { describe, expect, it } from 'vitest';
import { hostileAnswers } from '../../e2e/hostile';
import { highlight } from '../parts/highlight';
import { math } from '../parts/math';
import { Markdown } from './Markdown';
import { parseGrown, parseMarkdown, type Node, type Parsed } from './parse';
import { settle } from './settle';

const kForbidden = /<(script|img|image|iframe|style|link|meta|base|form|object|embed|video|audio|foreignobject)[\s>/]|\s(on\w+|src|srcset|style|action|formaction|xlink:href)=|href="(?!https?:|mailto:)/i;

const kMostArriving = 10_000;  // characters

describe('500 hostile answers', () => {
  const answers = hostileAnswers(500, 7);

  it('become nothing that could run or fetch, whole or in arriving', async () => {
    for (const [i, answer] of answers.entries()) {
      await new Promise((resolve) => setTimeout(resolve));  // so that the runner hears of this worker
      const whole = renderToStaticMarkup(<Markdown source={answer} arriving={false} />);
      // Text is escaped, so that what is left with a < is an element of ours.
      expect(whole.replace(/&lt;|&gt;/g, ''), `answer ${i}`).not.toMatch(/<script|<img|<iframe/i);
      expect(elementsOf(whole), `answer ${i}`).not.toMatch(kForbidden);
      const half = answer.slice(0, Math.min(kMostArriving, Math.ceil(answer.length / 2)));
      expect(elementsOf(renderToStaticMarkup(<Markdown source={half} arriving />)), `half of answer ${i}`).not.toMatch(kForbidden);
    }
  });

  it('have formulas of known elements only', () => {
    const formulas = answers.flatMap((answer) => parseMarkdown(answer).flatMap((b) => formulasOf(b.nodes))).slice(0, 300);
    expect(formulas.length).toBeGreaterThan(100);
    for (const tex of formulas) {
      expect(JSON.stringify(math(tex, true)) ?? '').not.toMatch(/"(href|style|src|class|on\w+)":|javascript|attacker/i);
    }
  });
});

// The tags alone, without the texts between them.
function elementsOf(html: string): string {
  return (html.match(/<[^>]*>/g) ?? []).join('');
}

function formulasOf(nodes: readonly Node[]): string[] {
  return nodes.flatMap((n) => (n.kind === 'formula' ? [n.tex] : 'children' in n ? formulasOf(n.children) : []));
}

describe('parseGrown', () => {
  const kAnswer = '# Title\n\nOne [link][a] and `code`.\n\n- a\n- b\n\n```py\nx = 1\n\ny = 2\n```\n\n> quote\n\n$$\nx^2\n$$\n\n| a |\n|---|\n| 1 |\n\nlast **words** here';
  it('draws a growing answer as it would draw it at once, at every cut', () => {
    for (const source of [kAnswer, `${kAnswer}\n\n[a]: https://example.org/\n\nmore`]) {
      let before: Parsed | null = null;
      for (let end = 1; end <= source.length; end++) {
        const now = settle(source.slice(0, end));
        before = parseGrown(now, before);
        expect(before.blocks.map((b) => b.nodes)).toEqual(parseMarkdown(now).map((b) => b.nodes));
      }
    }
  });

  it('takes over what came before', () => {
    const before = parseGrown('one\n\ntwo\n\nthree\n\nfour', null);
    const after = parseGrown('one\n\ntwo\n\nthree\n\nfour and\n\nfive', before);
    expect(after.blocks[0]).toBe(before.blocks[0]);
    expect(after.blocks[1]).toBe(before.blocks[1]);
    expect(after.blocks).toHaveLength(5);
    expect(parseGrown('uno\n\ntwo\n\nthree', before).blocks[0]?.source).toBe('uno');
  });
});

describe('formulas', () => {
  const kinds = (source: string): string[] => parseMarkdown(source).flatMap((b) => formulasOf(b.nodes));
  it.each([
    ['$a$ and \\(b\\)', ['a', 'b']],
    ['it costs $5 and $6', []],
    ['$5$ and 6$', ['5']],
    ['$ a $', []],
    ['a \\$b$ c', []],
    ['$$\na\nb\n$$', ['a\nb']],
    ['\\[ x \\] and', ['x']],
    ['$$x$$ inside', ['x']],
    ['`$a$`', []],
    ['$$\n\nx$$', []],
  ])('%j → %j', (source, expected) => expect(kinds(source)).toEqual(expected));

  it('are MathML of a closed list', () => {
    expect(math('\\frac{a}{b}', true)).toMatchObject({ tag: 'math', attributes: { display: 'block' }, children: [{ tag: 'mrow', children: [{ tag: 'mfrac' }] }] });
    expect(math('\\notacommand', false)).toBeNull();
    expect(math('{', false)).toBeNull();
  });
});

describe('highlight', () => {
  it('keeps every character', () => {
    const code = 'def add(a, b):\n    return a + b  # "sum"\n';
    const spans = highlight(code, 'python')!;
    expect(spans.map((s) => s.text).join('')).toBe(code);
    expect(spans.filter((s) => s.scope === 'keyword').map((s) => s.text)).toEqual(['def', 'return']);
    expect(highlight(code, 'no-such-language')).toBeNull();
  });
});
