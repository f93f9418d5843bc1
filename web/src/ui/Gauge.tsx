import type { TextFile } from '../chat/types';
import { withFiles } from '../chat/tree';
import { text } from '../text';
import { useTokenCount } from './Attached';
import { useChatState, useStore } from './hooks';

const kStillMs = 400;
const kFull = 0.85;  // from here on it is marked

// How much of the model's context the chat takes, with what is being written.
export function Gauge({ draft, files }: { draft: string; files: TextFile[] }) {
  const store = useStore();
  useChatState();
  const limit = store.model()?.contextLength;
  const path = store.shown();
  const counted = path.reduce((found, { message }) => message.stats?.contextUsed ?? found, 0);
  const written = useTokenCount(withFiles({ content: draft, files }), kStillMs).count;
  const used = counted + written;
  if (!limit || (counted === 0 && written < limit / 20)) return <div className="gauge" />;
  const share = Math.min(1, used / limit);
  return (
    <div className={share > kFull ? 'gauge gauge-full' : 'gauge'}>
      <meter className="unseen" min={0} max={limit} value={Math.min(used, limit)} aria-label={text.contextGauge}>{text.contextUse(used, limit)}</meter>
      <span className="gauge-bar" aria-hidden="true"><span style={{ inlineSize: `${100 * share}%` }} /></span>
      <span aria-hidden="true">{text.contextUse(used, limit)}</span>
    </div>
  );
}
