import { keep, kept } from '../chat/kept';

export type Theme = 'system' | 'light' | 'dark';

export function keptTheme(): Theme {
  const theme = kept('theme');
  return theme === 'light' || theme === 'dark' ? theme : 'system';
}

// From what is seen now to the other one first, so that one click always changes something.
export function nextTheme(theme: Theme): Theme {
  const systemIsDark = matchMedia('(prefers-color-scheme: dark)').matches;
  const order: Theme[] = systemIsDark ? ['system', 'light', 'dark'] : ['system', 'dark', 'light'];
  return order[(order.indexOf(theme) + 1) % order.length]!;
}

export function applyTheme(theme: Theme): Theme {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  keep('theme', theme === 'system' ? null : theme);
  return theme;
}
