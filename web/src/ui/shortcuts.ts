import { useEffect, useRef } from 'react';

export interface Shortcuts {
  find: () => void;
  fresh: () => void;
  sidebar: () => void;
  panel: () => void;
  keys: () => void;
  escape: () => boolean;  // whether there was something to end or close
}

export function useShortcuts(shortcuts: Shortcuts): void {
  const latest = useRef(shortcuts);
  latest.current = shortcuts;
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const action = shortcutFor(event);
      if (!action || (event.defaultPrevented && action === 'escape')) return;
      if (latest.current[action]() !== false) event.preventDefault();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);
}

const kWithControl: Record<string, keyof Shortcuts> = { k: 'find', b: 'sidebar', ',': 'panel' };

function shortcutFor(event: KeyboardEvent): keyof Shortcuts | null {
  const key = event.key.toLowerCase();
  if ((event.ctrlKey || event.metaKey) && !event.altKey) {
    if (event.shiftKey) return key === 'o' ? 'fresh' : null;
    return kWithControl[key] ?? null;
  }
  if (document.querySelector('dialog[open]')) return null;
  if (key === 'escape') return 'escape';
  const typing = event.target instanceof HTMLElement && event.target.closest('input, textarea, select');
  return key === '?' && !typing ? 'keys' : null;
}
