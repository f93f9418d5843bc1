import { Component, Fragment, memo, useMemo, useRef, type ReactNode } from 'react';
import { text } from '../text';
import { CodeBlock, visible } from './CodeBlock';
import { Formula } from './Formula';
import { parseGrown, type Block, type Node, type Parsed } from './parse';
import { settle } from './settle';

// An answer as React elements, never as HTML. Only blocks whose source changed are drawn again.
export const Markdown = memo(function Markdown({ source, arriving }: { source: string; arriving: boolean }) {
  const before = useRef<Parsed | null>(null);
  const { blocks } = useMemo(() => (before.current = parseGrown(arriving ? settle(source) : source, before.current)), [source, arriving]);
  return (
    <PlainOnError source={source}>
      {blocks.map((block, i) => <BlockView key={i} block={block} growing={arriving && i === blocks.length - 1} />)}
    </PlainOnError>
  );
});

const BlockView = memo(
  function BlockView({ block, growing }: { block: Block; growing: boolean }) {
    return <>{views(block.nodes, growing)}</>;
  },
  // Definitions of link names may stand anywhere, so the same lines can mean another link later: compare the links too.
  (a, b) => a.growing === b.growing && (a.block === b.block || (a.block.source === b.block.source && links(a.block.nodes) === links(b.block.nodes))),
);

function views(nodes: readonly Node[], growing: boolean): ReactNode {
  return nodes.map((node, i) => <Fragment key={i}>{view(node, growing)}</Fragment>);
}

function view(node: Node, growing: boolean): ReactNode {
  switch (node.kind) {
    case 'text': return node.text;
    case 'break': return <br />;
    case 'rule': return <hr />;
    case 'inline-code': return <code>{visible(node.text)}</code>;
    case 'formula': return <Formula tex={node.tex} display={node.display} />;
    case 'code': return <CodeBlock text={node.text} language={node.language} growing={growing} />;
    case 'group': return views(node.children, growing);
    case 'link': return <Link href={node.href}>{views(node.children, growing)}</Link>;
    // A picture is never fetched: its address alone could carry the chat away. A click opens it.
    case 'image': return <Link href={node.href}>{text.imageLink(node.alt)}</Link>;
    case 'element': {
      const Tag = node.tag;
      if (Tag === 'table') {
        return <div className="table" tabIndex={0} role="region" aria-label={text.table} dir={direction(node.children)}><table>{views(node.children, growing)}</table></div>;
      }
      if (Tag === 'ol') return <ol start={node.start} dir={direction(node.children)}>{views(node.children, growing)}</ol>;
      if (Tag === 'th' || Tag === 'td') return <Tag className={node.align ? `align-${node.align}` : undefined}>{views(node.children, growing)}</Tag>;
      if (Tag === 'p' || Tag === 'li' || /^h\d$/.test(Tag)) return <Tag dir="auto">{views(node.children, growing)}</Tag>;
      if (Tag === 'ul' || Tag === 'blockquote') return <Tag dir={direction(node.children)}>{views(node.children, growing)}</Tag>;
      return <Tag>{views(node.children, growing)}</Tag>;
    }
  }
}

// By its first letter, as with dir="auto", which looks past what has a direction of its own.
function direction(nodes: readonly Node[]): 'ltr' | 'rtl' | undefined {
  for (const node of nodes) {
    const letter = node.kind === 'text' ? /\p{L}/u.exec(node.text)?.[0] : undefined;
    const found = letter ? (/[\u0590-\u08ff\ufb1d-\ufefc]/.test(letter) ? 'rtl' : 'ltr') : 'children' in node ? direction(node.children) : undefined;
    if (found) return found;
  }
  return undefined;
}

function Link({ href, children }: { href: string; children: ReactNode }) {
  return <a href={href} target="_blank" rel="noopener noreferrer nofollow" title={href}>{children}</a>;
}

function links(nodes: readonly Node[]): string {
  return nodes.map((n) => (n.kind === 'link' || n.kind === 'image' ? `${n.href} ` : '') + ('children' in n ? links(n.children) : '')).join('');
}

// If drawing an answer ever fails, its plain text is still there.
class PlainOnError extends Component<{ source: string; children: ReactNode }, { failed: boolean }> {
  state = { failed: false };
  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }
  render(): ReactNode {
    return this.state.failed ? <p className="plain">{this.props.source}</p> : this.props.children;
  }
}
