import type { ReactNode } from 'react';

// A few strokes each, drawn on a grid of 20. Buttons carry the words.
const kPaths = {
  sidebar: 'M3.5 4.5h13v11h-13zM8 4.5v11',
  plus: 'M10 4.5v11M4.5 10h11',
  sliders: 'M3.5 6.5h7M14.5 6.5h2M3.5 13.5h2M9.5 13.5h7M12.5 4.5v4M7.5 11.5v4',
  sun: 'M10 6.8a3.2 3.2 0 1 0 0 6.4 3.2 3.2 0 0 0 0-6.4zM10 2.5v1.5M10 16v1.5M2.5 10H4M16 10h1.5M4.7 4.7l1 1M14.3 14.3l1 1M4.7 15.3l1-1M14.3 5.7l1-1',
  moon: 'M16 11.8A6.5 6.5 0 0 1 8.2 4a6.5 6.5 0 1 0 7.8 7.8z',
  half: 'M10 3.5a6.5 6.5 0 1 0 0 13zM10 3.5a6.5 6.5 0 0 1 0 13z',
  send: 'M10 16V4.5M5 9.5l5-5 5 5',
  copy: 'M7.5 7.5h8v8h-8zM12.5 7.5v-3h-8v8h3',
  check: 'M4.5 10.5l3.5 3.5 7.5-8',
  again: 'M15.5 10a5.5 5.5 0 1 1-1.6-3.9l1.6 1.6M15.5 4v3.7h-3.7',
  pencil: 'M4.5 15.5l.7-3L13 4.7l2.3 2.3-7.8 7.8z',
  bin: 'M4.5 6h11M8 6V4.5h4V6M6 6l.6 9.5h6.8L14 6',
  left: 'M11.5 6l-4 4 4 4',
  right: 'M8.5 6l4 4-4 4',
  more: 'M4.6 10a.4.4 0 1 0 .8 0 .4.4 0 1 0-.8 0M9.6 10a.4.4 0 1 0 .8 0 .4.4 0 1 0-.8 0M14.6 10a.4.4 0 1 0 .8 0 .4.4 0 1 0-.8 0',
  pin: 'M7.5 3.5h5l-.7 5 2.7 2.5h-9L8.2 8.5zM10 11v5.5',
  forward: 'M4.5 5.5l5 4.5-5 4.5zM10.5 5.5l5 4.5-5 4.5z',
  clip: 'M13.5 7.5l-5 5a1.8 1.8 0 0 1-2.5-2.5l5.5-5.5a3.2 3.2 0 0 1 4.5 4.5l-5.7 5.7a4.6 4.6 0 0 1-6.5-6.5l4.7-4.7',
  tokens: 'M3.5 6.5h5v7h-5zM11.5 6.5h2v7h-2zM16.5 6.5v7',
  down: 'M10 3.5v9M6 9l4 4 4-4M4.5 16h11',
  up: 'M10 13V4M6 7.5l4-4 4 4M4.5 16h11',
  file: 'M5.5 3.5h6l3 3v10h-9zM11.5 3.5v3h3',
  curve: 'M3.5 4v12h13M6.5 6.5c1 5 3.5 6 9.5 6.5',
  cross: 'M5.5 5.5l9 9M14.5 5.5l-9 9',
} as const;

export type IconName = keyof typeof kPaths | 'stop';

export function Icon({ name }: { name: IconName }): ReactNode {
  return (
    <svg className="icon" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
      {name === 'stop' ? <rect className="icon-solid" x="5.5" y="5.5" width="9" height="9" rx="1.5" /> : <path d={kPaths[name]} />}
    </svg>
  );
}

export function IconButton(props: { icon: IconName; label: string; onClick: () => void; pressed?: boolean; disabled?: boolean; className?: string }): ReactNode {
  const { icon, label, onClick, pressed, disabled, className } = props;
  return (
    <button type="button" className={`icon-button ${className ?? ''}`} aria-label={label} title={label} aria-pressed={pressed} disabled={disabled} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}
