import type { Message } from '../chat/types';
import { text } from '../text';
import { useStore } from './hooks';
import { Icon } from './icons';
import { Turn, type TurnProps } from './Turn';

// Two models' answers to one question. The chat goes on with the chosen one; the other stands where it always stood.
export function Pair({ turn, other }: { turn: TurnProps; other: Message }) {
  const store = useStore();
  const both = [turn.message, other].sort((a, b) => a.createdAt - b.createdAt);
  return (
    <div className="pair">
      {both.map((message) => {
        const chosen = message.id === turn.message.id;
        return (
          <div key={message.id} role="group" className={chosen ? 'pair-side chosen' : 'pair-side'} aria-label={message.model}>
            <div className="pair-head">
              <span className="pair-name">{message.model}</span>
              {chosen
                ? <span className="pair-mark" role="img" aria-label={text.preferred} title={text.preferred}><Icon name="check" /></span>
                : <button type="button" className="button" disabled={turn.busy} onClick={() => store.choose(message.id)}>{text.prefer}</button>}
            </div>
            <Turn {...turn} message={message} siblings={chosen ? turn.siblings : ''} />
          </div>
        );
      })}
    </div>
  );
}
