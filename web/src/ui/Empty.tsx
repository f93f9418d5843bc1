import { Fragment } from 'react';
import { text } from '../text';
import { Connect } from './Connect';
import { useChatState, useStore } from './hooks';
import { Owl } from './Owl';

// Nothing was asked yet: what this is, and four things that this model answers well.
export function Empty() {
  const store = useStore();
  const { link } = useChatState();
  const model = store.model();
  const ready = link.state === 'ready';
  if (link.state === 'ask') return <div className="empty"><Owl eyes="closed" size={72} /><Connect /></div>;
  const facts = model
    ? [model.id, model.sizeBytes && text.bytes(model.sizeBytes), model.nParams && text.parameters(model.nParams)].filter(Boolean)
    : [ready ? text.noModel : text.connecting];
  return (
    <div className="empty">
      <Owl eyes={ready && model ? 'open' : 'closed'} size={72} />
      <h1>{text.emptyTitle}</h1>
      <p className="empty-model">{facts.map((fact, i) => <Fragment key={i}>{i > 0 && ' · '}<bdi>{fact}</bdi></Fragment>)}</p>
      <ul className="examples">
        {text.examples.map((example) => (
          <li key={example}><button type="button" disabled={!ready} onClick={() => store.send(example)}><bdi>{example}</bdi></button></li>
        ))}
      </ul>
    </div>
  );
}
