import { memo } from 'react';

export type Eyes = 'closed' | 'open' | 'blinking';

// The mark, and the status: eyes closed without a model, open when ready, blinking slowly while it thinks.
export const Owl = memo(function Owl({ eyes, size, label }: { eyes: Eyes; size: number; label?: string }) {
  const said = label ? { role: 'img', 'aria-label': label } : { 'aria-hidden': true };
  return (
    <svg className={`owl owl-${eyes}`} viewBox="8 8 48 48" width={size} height={size} {...said}>
      <path className="owl-head" d="M14 12c3.5 5 9 6 18 6s14.5-1 18-6v21c0 12-8 19.5-18 19.5S14 45 14 33z" />
      {eyes === 'closed' ? (
        <path className="owl-lids" d="M17.5 31.5c1.8 3.4 9.2 3.4 11 0M35.5 31.5c1.8 3.4 9.2 3.4 11 0" />
      ) : (
        <g className="owl-eyes">
          <circle cx="23" cy="31.5" r="6" />
          <circle cx="41" cy="31.5" r="6" />
          <circle className="owl-pupil" cx="23" cy="31.5" r="2.25" />
          <circle className="owl-pupil" cx="41" cy="31.5" r="2.25" />
        </g>
      )}
      <path className="owl-head" d="M32 37.5v4.5" />
    </svg>
  );
});
