import { Component, Fragment, memo, useMemo, type ReactNode } from 'react';
import { CopyButton } from '../ui/CopyButton';
import { text } from '../text';
import { parseMarkdown, type Block, type Node } from './parse';
import { settle } from './settle';

// An answer as React elements, never as HTML. Only blocks whose source changed are drawn again.
export const Markdown = memo(function Markdown({ source, arriving }: { source: string; arriving: boolean }) {
  const blocks = useMemo(() => parseMarkdown(arriving ? settle(source) : source), [source, arriving]);
  return (
    <PlainOnError source={source}>
      {blocks.map((block, i) => <BlockView key={i} block={block} />)}
    </PlainOnError>
  );
});

const BlockView = memo(
  function BlockView({ block }: { block: Block }) {
    return <>{views(block.nodes)}</>;
  },
  // Definitions of link names may stand anywhere, so the same lines can mean another link later: compare the links too.
  (a, b) => a.block.source === b.block.source && links(a.block.nodes) === links(b.block.nodes),
);

function views(nodes: readonly Node[]): ReactNode {
  return nodes.map((node, i) => <Fragment key={i}>{view(node)}</Fragment>);
}

function view(node: Node): ReactNode {
  switch (node.kind) {
    case 'text': return node.text;
    case 'break': return <br />;
    case 'rule': return <hr />;
    case 'inline-code': return <code>{node.text}</code>;
    case 'code': return <CodeBlock text={node.text} language={node.language} />;
    case 'group': return views(node.children);
    case 'link': return <Link href={node.href}>{views(node.children)}</Link>;
    // A picture is never fetched: its address alone could carry the chat away. A click opens it.
    case 'image': return <Link href={node.href}>{text.imageLink(node.alt)}</Link>;
    case 'element': {
      const Tag = node.tag;
      if (Tag === 'table') {
        return <div className="table" tabIndex={0} role="region" aria-label={text.table}><table>{views(node.children)}</table></div>;
      }
      if (Tag === 'ol') return <ol start={node.start}>{views(node.children)}</ol>;
      if (Tag === 'th' || Tag === 'td') return <Tag className={node.align ? `align-${node.align}` : undefined}>{views(node.children)}</Tag>;
      if (Tag === 'p' || Tag === 'li' || /^h\d$/.test(Tag)) return <Tag dir="auto">{views(node.children)}</Tag>;
      return <Tag>{views(node.children)}</Tag>;
    }
  }
}

function Link({ href, children }: { href: string; children: ReactNode }) {
  return <a href={href} target="_blank" rel="noopener noreferrer nofollow" title={href}>{children}</a>;
}

const CodeBlock = memo(function CodeBlock({ text: code, language }: { text: string; language: string }) {
  const body = code.replace(/\n$/, '');
  return (
    <div className="code">
      <div className="code-head">
        <span>{language}</span>
        <CopyButton text={body} label={text.copyCode} />
      </div>
      <pre tabIndex={0} dir="ltr"><code>{body}</code></pre>
    </div>
  );
});

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
