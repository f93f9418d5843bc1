import { memo, useState, type ReactNode } from 'react';
import { countsIn } from '../chat/store';
import type { Message, Stats } from '../chat/types';
import { Markdown } from '../markdown/Markdown';
import { text } from '../text';
import { CopyButton } from './CopyButton';
import { useGrowingField, useStore } from './hooks';
import { Icon, IconButton } from './icons';
import { Owl } from './Owl';
import { Thoughts } from './Thoughts';
import { TokensView } from './TokensView';

export interface TurnProps {
  message: Message;
  siblings: string;    // ids, joined, so that equal lists compare equal
  editing: boolean;
  onEdit: (id: string | null) => void;
  busy: boolean;       // another answer is arriving in this chat
  last: boolean;
}

export const Turn = memo(function Turn(props: TurnProps) {
  return props.message.role === 'user' ? <Question {...props} /> : <AnswerView {...props} />;
});

function Question({ message, siblings, editing, onEdit, busy }: TurnProps) {
  const store = useStore();
  if (editing) {
    return (
      <EditField
        initial={message.content}
        onCancel={() => onEdit(null)}
        onSave={(edited) => {
          onEdit(null);
          store.edit(message.id, edited);
        }}
      />
    );
  }
  return (
    <article className="turn question" aria-label={text.you}>
      {message.files?.map((file, i) => (
        <details key={i} className="sent-file">
          <summary><Icon name="file" /><span>{file.name}</span><span className="sent-size">{text.bytes(file.text.length)}</span></summary>
          <pre tabIndex={0} dir="auto">{file.text}</pre>
        </details>
      ))}
      {message.content !== '' && <div className="bubble" dir="auto">{message.content}</div>}
      <div className="facts">
        <Branches id={message.id} siblings={siblings} busy={busy} />
        <CopyButton text={message.content} label={text.copy} />
        <IconButton icon="pencil" label={text.edit} disabled={busy} onClick={() => onEdit(message.id)} />
      </div>
    </article>
  );
}

function EditField({ initial, onSave, onCancel }: { initial: string; onSave: (text: string) => void; onCancel: () => void }) {
  const [draft, setDraft] = useState(initial);
  const field = useGrowingField(draft);
  return (
    <form
      className="turn edit"
      onSubmit={(event) => {
        event.preventDefault();
        if (draft.trim() !== '') onSave(draft);
      }}
      onKeyDown={(event) => {
        if (event.key === 'Escape') {
          event.stopPropagation();
          onCancel();
        } else if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing && event.target instanceof HTMLTextAreaElement) {
          event.preventDefault();
          event.currentTarget.requestSubmit();
        }
      }}
    >
      <textarea ref={field} value={draft} rows={1} aria-label={text.edit} autoFocus dir="auto" onChange={(event) => setDraft(event.target.value)}
        onFocus={(event) => event.target.setSelectionRange(initial.length, initial.length)} />
      <div className="edit-buttons">
        <button type="button" className="button" onClick={onCancel}>{text.cancel}</button>
        <button type="submit" className="button button-main" disabled={draft.trim() === ''}>{text.saveEdit}</button>
      </div>
    </form>
  );
}

function AnswerView({ message, siblings, busy, last }: TurnProps) {
  const store = useStore();
  const [tokens, setTokens] = useState(false);
  const arriving = message.state === 'streaming';
  const said = message.content !== '';
  const offersAgain = message.state === 'failed' && message.failure?.kind !== 'context';  // the failure's own button does
  const nothingYet = arriving && message.content === '' && !message.thought;
  return (
    <article className="turn answer" aria-label={text.answer} aria-busy={arriving}>
      {message.thought && <Thoughts thought={message.thought} ms={message.thoughtMs} />}
      {nothingYet && <Owl eyes="blinking" size={24} label={text.answering} />}
      {said && (tokens && !arriving
        ? <TokensView message={message} busy={busy} />
        : <div className="prose"><Markdown source={message.content} arriving={arriving} /></div>)}
      <Outcome message={message} />
      {!arriving && message.state !== 'waiting' && (
        <div className={`facts ${last ? 'facts-last' : ''}`}>
          <Branches id={message.id} siblings={siblings} busy={busy} />
          {said && <CopyButton text={message.content} label={text.copy} />}
          {!offersAgain && <IconButton icon="again" label={text.regenerate} disabled={busy} onClick={() => store.regenerate(message.id)} />}
          {said && last && <IconButton icon="forward" label={text.goOn} disabled={busy} onClick={() => store.continue(message.id)} />}
          {said && <IconButton icon="tokens" label={text.showTokens} pressed={tokens} onClick={() => setTokens(!tokens)} />}
          {message.stats && <span className="numbers">{statsLine(message.stats)}</span>}
        </div>
      )}
    </article>
  );
}

// How the answer ended, where that is worth a line.
function Outcome({ message }: { message: Message }): ReactNode {
  switch (message.state) {
    case 'stopped': return <p className="note">{text.stopped}</p>;
    case 'length': return <p className="note">{text.cutShort}</p>;
    case 'waiting': return <p className="note">{text.waiting}</p>;
    case 'done': return message.content === '' ? <p className="note">{text.noAnswer}</p> : null;
    case 'failed': return <FailureNote message={message} />;
    case 'streaming': return null;
  }
}

function FailureNote({ message }: { message: Message }): ReactNode {
  const store = useStore();
  const { kind, message: said } = message.failure ?? { kind: 'refused' as const, message: '' };
  const [needed, limit] = countsIn(said);
  return (
    <div className="failure" role="alert">
      <p className="failure-title">{text.failTitle[kind]}</p>
      {kind === 'context' && needed && limit ? <p>{text.contextCounts(needed, limit)}</p> : null}
      {(kind === 'refused' || (kind === 'context' && !limit)) && <p className="said"><bdi>{said}</bdi></p>}
      {kind === 'refused' && <p>{text.refusedHint}</p>}
      {kind === 'context' && (store.canLeaveOut(message)
        ? <button type="button" className="button" onClick={() => store.leaveOutOldest(message.id)}>{text.leaveOut}</button>
        : <p>{text.tooLong}</p>)}
      {kind !== 'context' && <button type="button" className="button" onClick={() => store.regenerate(message.id)}>{text.tryAgain}</button>}
    </div>
  );
}

function Branches({ id, siblings, busy }: { id: string; siblings: string; busy: boolean }): ReactNode {
  const store = useStore();
  const ids = siblings.split(' ');
  if (ids.length < 2) return null;
  const at = ids.indexOf(id);
  const step = (by: number): void => store.choose(ids[at + by]!);
  return (
    <span className="branches">
      <IconButton icon="left" label={text.earlier} disabled={busy || at === 0} onClick={() => step(-1)} />
      <span>{text.branch(at + 1, ids.length)}</span>
      <IconButton icon="right" label={text.later} disabled={busy || at === ids.length - 1} onClick={() => step(1)} />
    </span>
  );
}

function statsLine(stats: Stats): string {
  const facts: string[] = [];
  if (stats.tokensPerSecond !== undefined) facts.push(text.speed(stats.tokensPerSecond));
  facts.push(text.tokens(stats.tokens, stats.exact));
  if (stats.firstTokenMs !== undefined) facts.push(text.firstToken(stats.firstTokenMs));
  return facts.join(' · ');
}
