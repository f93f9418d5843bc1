// Markdown that is still arriving changes its mind: "| a | b |" is a line of bars until the line below makes it a table,
// and "**bold" is two stars until it closes. settle() returns the text to show now, chosen so that what the next
// characters add does not redraw what is already there: it holds back the few last characters whose meaning is open, and
// closes what is certainly going to be closed.

export function settle(source: string): string {
  const lines = source.split('\n');
  const last = lines[lines.length - 1]!;
  const fence = openFence(lines);
  if (fence !== null) {
    // The first characters of the closing fence look like code.
    if (isPartOfFence(last, fence) && lines.length > 1) lines.pop();
    return lines.join('\n');
  }
  if (/^\s{0,3}(`{1,2}|~{1,2}|(```|~~~)[^`]*)$/.test(last)) {
    lines.pop();  // an opening fence whose language is still arriving
    return lines.join('\n');
  }
  if (isOpenMark(last)) {
    lines.pop();
    return closeInline(lines).join('\n');
  }
  return closeInline(withoutUndecidedTable(lines)).join('\n');
}

// The marker of a code block that has begun and not ended, or null.
function openFence(lines: readonly string[]): string | null {
  let open: string | null = null;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    const mark = /^\s{0,3}(`{3,}|~{3,})(.*)$/.exec(line.replace(/^(\s*([-*+]|\d+[.)])\s+)+|^\s+/, ''));
    if (!mark) continue;
    const [, marker, rest] = mark as unknown as [string, string, string];
    if (open === null) {
      // The last line may still be growing, so it opens nothing yet.
      if (i < lines.length - 1 && !(marker[0] === '`' && rest.includes('`'))) open = marker;
    } else if (marker[0] === open[0] && marker.length >= open.length && rest.trim() === '') {
      open = null;
    }
  }
  return open;
}

function isPartOfFence(line: string, fence: string): boolean {
  const text = line.trim();
  return text !== '' && text.length < fence.length && [...text].every((c) => c === fence[0]);
}

// A line that so far is nothing but a mark: a bullet, a number, a heading, a rule, an underline, a quote.
function isOpenMark(line: string): boolean {
  return /^\s*([-+*=_#>]+\s*|\d{1,9}[.)]?\s*)$/.test(line) && line.trim() !== '';
}

// Lines of bars at the end are shown once the row of dashes below the first one is complete.
function withoutUndecidedTable(lines: string[]): string[] {
  const end = lines[lines.length - 1] === '' ? lines.length - 1 : lines.length;  // a line that has just begun
  let first = end;
  while (first > 0 && /^\s*\|/.test(lines[first - 1]!)) first--;
  const rows = end - first;
  if (rows === 0) return lines;
  if (rows === 1) return lines.slice(0, first);
  if (!/^[\s|:-]*$/.test(lines[first + 1]!)) return lines;  // no row of dashes: no table
  // A row appears as a whole: one that is still growing would widen its column with every word.
  const growing = end === lines.length && bars(lines[end - 1]!) < bars(lines[first]!);
  return growing ? lines.slice(0, rows === 2 ? first : end - 1) : lines;
}

function bars(line: string): number {
  return line.match(/(?<!\\)\|/g)?.length ?? 0;
}

// Closes bold, emphasis and code that the last paragraph has opened, and holds back a link's address.
function closeInline(lines: string[]): string[] {
  let start = lines.length - 1;
  while (start > 0 && lines[start - 1]!.trim() !== '') start--;
  const head = lines.slice(0, start);
  let text = lines.slice(start).join('\n');

  const marks: string[] = [];
  for (let i = 0; i < text.length; ) {
    const run = /^(`+|\*{1,3}|~~)/.exec(text.slice(i, i + 16))?.[0];
    if (text[i] === '\\') i += 2;
    else if (!run) i += 1;
    else {
      const inCode = marks[marks.length - 1]?.startsWith('`') ?? false;
      if (inCode ? marks[marks.length - 1] === run : marks[marks.length - 1] === run && !/\s/.test(text[i - 1] ?? ' ')) marks.pop();
      else if (!inCode && opens(text, i, run)) marks.push(run);
      i += run.length;
    }
  }
  if (!marks.some((m) => m.startsWith('`'))) {
    text = withoutOpenFormula(text);
    const link = /!?\[[^\]\n]*(\](\([^()\s]*(\s[^()]*)?)?)?$/.exec(text);
    if (link) text = text.slice(0, link.index) + (link[0].startsWith('!') ? '' : (/^\[([^\]]*)/.exec(link[0])?.[1] ?? ''));
  }
  // Marks with nothing after them yet are held back, the others closed.
  for (let mark = marks.pop(); mark; mark = marks.pop()) {
    const trimmed = text.trimEnd();
    text = trimmed.endsWith(mark) ? trimmed.slice(0, -mark.length) : trimmed + mark;
  }
  return [...head, ...text.split('\n')];
}

// A formula is shown as a whole. What a dollar begins is one only if it closes, so a price is held back for a few words at most.
function withoutOpenFormula(text: string): string {
  const open = /(\$\$(?!\$)(?:(?!\$\$)[^])*|\\\[(?:(?!\\\])[^])*|\\\((?:(?!\\\))[^])*)$/.exec(withoutFormulas(text));
  if (open) return text.slice(0, open.index);
  const dollar = /(?<![\\$\w])\$(?![\s\d$])[^$\n]{0,60}$|\\$/.exec(withoutFormulas(text));
  return dollar ? text.slice(0, dollar.index) : text;
}

// Complete formulas, replaced by as many other characters.
function withoutFormulas(text: string): string {
  return text.replace(/\$\$[^]+?\$\$|\\\[[^]+?\\\]|\\\([^]+?\\\)|(?<![\\$])\$(?![\s$])[^$\n]*?[^\s$\\]\$(?!\d)/g, (formula) => 'x'.repeat(formula.length));
}

// Whether a mark can open something here: what follows is not white space, or has not arrived.
function opens(text: string, at: number, run: string): boolean {
  const next = text[at + run.length];
  if (run.startsWith('`') || next === undefined) return true;
  return !/\s/.test(next) && (run.startsWith('*') ? true : !/\w/.test(text[at - 1] ?? ' '));
}
