import { describe, expect, it } from 'vitest';
import { parseMarkdown, plainText } from './parse';
import { settle } from './settle';

const shown = (source: string): string => plainText(parseMarkdown(settle(source)).flatMap((b) => b.nodes));

describe('settle', () => {
  it.each([
    ['plain words', 'plain words'],
    ['a **bo', 'a **bo**'],
    ['a **bold**', 'a **bold**'],
    ['a **', 'a '],
    ['a *b', 'a *b*'],
    ['2 * 3', '2 * 3'],
    ['run `co', 'run `co`'],
    ['see [the no', 'see the no'],
    ['see [the notes](https://exa', 'see the notes'],
    ['see [the notes](https://example.org)', 'see [the notes](https://example.org)'],
    ['a picture ![of](https://', 'a picture '],
    ['one\n\n#', 'one\n'],
    ['one\n-', 'one'],
    ['one\n1.', 'one'],
    ['one\n\n``', 'one\n'],
    ['one\n\n```py', 'one\n'],
    ['```py\nx = 1\n``', '```py\nx = 1'],
    ['```py\nx = "**', '```py\nx = "**'],
    ['| a | b |', ''],
    ['| a | b |\n|--', ''],
    ['| a | b |\n|---|---|', '| a | b |\n|---|---|'],
    ['| a | b |\n|---|---|\n| 1 | 2 |', '| a | b |\n|---|---|\n| 1 | 2 |'],
    ['| a | b |\n|---|---|\n| 1 | 2', '| a | b |\n|---|---|'],
    ['| not a table\n| but bars', '| not a table\n| but bars'],
  ])('%j shows %j', (source, expected) => expect(settle(source)).toBe(expected));

  // What flickers is text that is drawn and then taken back: marks that turn into formatting.
  const kAnswer = 'Here are **three** elements with `code` and *care*:\n\n| Element | No |\n| --- | --: |\n| Helium | 2 |\n| Neon | 10 |\n\n' +
    '```python\ndef add(a, b):\n    return a ** b\n```\n\n1. First [link](https://example.org/x).\n2. Second\n\n## End\n\nDone.';

  it('never takes back what it has shown, at any cut', () => {
    let before = '';
    for (let end = 1; end <= kAnswer.length; end++) {
      const now = shown(kAnswer.slice(0, end)).trimEnd();
      const common = now.startsWith(before) ? before.length : [...before].findIndex((c, i) => c !== now[i]);
      expect(before.length - Math.max(0, common), `after ${JSON.stringify(kAnswer.slice(Math.max(0, end - 20), end))}: ${JSON.stringify(before.slice(-20))} → ${JSON.stringify(now.slice(-20))}`).toBeLessThanOrEqual(0);
      before = now;
    }
    expect(before).toBe(plainText(parseMarkdown(kAnswer).flatMap((b) => b.nodes)).trimEnd());
  });

  it('never shows a raw mark', () => {
    for (let end = 1; end <= kAnswer.length; end++) {
      expect(shown(kAnswer.slice(0, end)).replace('a ** b', '').replace(/a \*{1,2}(?= ?$)/m, ''), kAnswer.slice(0, end)).not.toMatch(/\*\*|`|\||\]\(/);
    }
  });
});
