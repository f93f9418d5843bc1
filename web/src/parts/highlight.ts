// Code in colours: highlight.js with the languages that answers are written in.

import hljs from 'highlight.js/lib/core';
import bash from 'highlight.js/lib/languages/bash';
import c from 'highlight.js/lib/languages/c';
import cpp from 'highlight.js/lib/languages/cpp';
import csharp from 'highlight.js/lib/languages/csharp';
import css from 'highlight.js/lib/languages/css';
import diff from 'highlight.js/lib/languages/diff';
import go from 'highlight.js/lib/languages/go';
import ini from 'highlight.js/lib/languages/ini';
import java from 'highlight.js/lib/languages/java';
import javascript from 'highlight.js/lib/languages/javascript';
import json from 'highlight.js/lib/languages/json';
import kotlin from 'highlight.js/lib/languages/kotlin';
import lua from 'highlight.js/lib/languages/lua';
import markdown from 'highlight.js/lib/languages/markdown';
import php from 'highlight.js/lib/languages/php';
import python from 'highlight.js/lib/languages/python';
import ruby from 'highlight.js/lib/languages/ruby';
import rust from 'highlight.js/lib/languages/rust';
import shell from 'highlight.js/lib/languages/shell';
import sql from 'highlight.js/lib/languages/sql';
import swift from 'highlight.js/lib/languages/swift';
import typescript from 'highlight.js/lib/languages/typescript';
import xml from 'highlight.js/lib/languages/xml';
import yaml from 'highlight.js/lib/languages/yaml';

const kLanguages = {
  bash, c, cpp, csharp, css, diff, go, ini, java, javascript, json, kotlin, lua, markdown, php, python, ruby, rust, shell, sql, swift, typescript, xml, yaml,
};
for (const [name, definition] of Object.entries(kLanguages)) hljs.registerLanguage(name, definition);

export interface Span {
  text: string;
  scope: string;  // 'keyword', 'string', …; '' is plain
}

// What highlight.js builds before it is written as text.
interface Branch {
  scope?: string;
  children: (Branch | string)[];
}

// Null for a language that is not known.
export function highlight(code: string, language: string): Span[] | null {
  if (!hljs.getLanguage(language)) return null;
  const result = hljs.highlight(code, { language, ignoreIllegals: true });
  const spans: Span[] = [];
  flatten((result._emitter as unknown as { rootNode: Branch }).rootNode, '', spans);
  return spans;
}

function flatten(branch: Branch, outer: string, spans: Span[]): void {
  const scope = branch.scope ? branch.scope.split('.')[0]! : outer;
  for (const child of branch.children) {
    if (typeof child === 'string') spans.push({ text: child, scope });
    else flatten(child, scope, spans);
  }
}
