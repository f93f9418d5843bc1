import { memo } from 'react';

export type Eyes = 'closed' | 'open' | 'blinking';

// The mark, and the status: eyes closed without a model, open when ready, blinking slowly while it thinks.
export const Owl = memo(function Owl({ eyes, size, label }: { eyes: Eyes; size: number; label?: string }) {
  const said = label ? { role: 'img', 'aria-label': label } : { 'aria-hidden': true };
  return (
    <svg className={`owl owl-${eyes}`} viewBox="7 7 50 50" width={size} height={size} {...said}>
      <path className="owl-head" d="M13 11c-2 7-3 14-3 22 0 13 9 21 22 21s22-8 22-21c0-8-1-15-3-22-4 7-13 7-19 15-6-8-15-8-19-15z" />
      {eyes === 'closed' ? (
        <path className="owl-lids" d="M16 35c2.5 4.5 9.5 4.5 12 0M36 35c2.5 4.5 9.5 4.5 12 0" />
      ) : (
        <g className="owl-eyes">
          <circle cx="22" cy="34" r="7" />
          <circle cx="42" cy="34" r="7" />
          <circle className="owl-pupil" cx="22" cy="34" r="2.7" />
          <circle className="owl-pupil" cx="42" cy="34" r="2.7" />
        </g>
      )}
      <path className="owl-head" d="M29.5 42l2.5 3.5 2.5-3.5" />
    </svg>
  );
});
