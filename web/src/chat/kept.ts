// Small things kept in localStorage: settings, theme, the server's address and key, drafts. A browser that refuses storage
// only forgets them.

const kPrefix = 'owlet.';

export function keep(name: string, value: unknown): void {
  try {
    if (value === null || value === undefined || value === '') localStorage.removeItem(kPrefix + name);
    else localStorage.setItem(kPrefix + name, JSON.stringify(value));
  } catch {
    // Storage is full or forbidden: the page works without it.
  }
}

export function kept(name: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(kPrefix + name) ?? 'null') as unknown;
  } catch {
    return null;
  }
}

export function keptText(name: string): string {
  const value = kept(name);
  return typeof value === 'string' ? value : '';
}
