import { useCallback, useEffect, useLayoutEffect, useRef, useState, type RefObject } from 'react';
import { apart } from '../apart';

// Which rows of a long list are on the page: those near what is seen. Heights are guessed until a row was measured, and the
// row at the top of the view keeps its place while others come, go or turn out larger than guessed: most browsers see to
// that themselves, and do not end a scrolling that is under way, as we would.
export interface Window {
  from: number;
  to: number;      // one past the last
  before: number;  // pixels of what is left out above
  after: number;
  row: (id: string) => (element: HTMLElement | null) => (() => void) | undefined;
}

interface Held {
  id: string;
  top: number;  // of the row, from the top of what is scrolled
}

const kBrowserHolds = CSS.supports('overflow-anchor: auto');

const kMargin = 1000;  // pixels beyond the view that are kept ready

export function useWindow(view: RefObject<HTMLElement | null>, ids: readonly string[], guess: (index: number) => number, isFollowing: () => boolean): Window {
  const heights = useRef(new Map<string, number>());
  const rows = useRef(new Map<string, HTMLElement>());
  const held = useRef<Held | null>(null);
  const [range, setRange] = useState({ from: 0, to: 0 });
  const offsets = offsetsOf(ids, heights.current, guess);
  const latest = useRef({ ids, offsets, guess, isFollowing });
  latest.current = { ids, offsets, guess, isFollowing };

  // `drawn`: just after rows were put on the page. Rows only come then, and go when the reader moves: else a row that is not as
  // high as was guessed could be put on and taken off for ever.
  const look = useCallback((drawn: boolean): void => {
    const element = view.current;
    if (!element) return;
    const { ids, offsets } = latest.current;
    if (ids.length === 0) return;  // nothing to show, and to ask where the view stands has the browser lay out the page
    const top = element.scrollTop;
    const from = rowAt(offsets, top - kMargin);
    const to = Math.min(ids.length, rowAt(offsets, top + element.clientHeight + kMargin) + 1);
    if (!drawn) keepFocus(element, rows.current, ids.slice(from, to));
    setRange((now) => {
      const grows = drawn && from < now.to && now.from < to;
      const next = grows ? { from: Math.min(from, now.from), to: Math.max(to, Math.min(now.to, ids.length)) } : { from, to };
      return now.from === next.from && now.to === next.to ? now : next;
    });
    if (!kBrowserHolds) held.current = heldRow(element, rows.current, ids);
  }, [view]);

  const hold = useCallback((): void => {
    const element = view.current;
    const row = held.current && rows.current.get(held.current.id);
    if (kBrowserHolds || !element || !row || latest.current.isFollowing()) return;
    const moved = row.offsetTop - held.current!.top;
    held.current!.top = row.offsetTop;
    if (moved !== 0) element.scrollTop += moved;
  }, [view]);

  const observer = useRef<ResizeObserver | null>(null);
  observer.current ??= new ResizeObserver((entries) => {
    let changed = false;
    for (const { target } of entries) {
      const id = (target as HTMLElement).dataset.row!;
      const height = (target as HTMLElement).offsetHeight;
      if (!target.isConnected || heights.current.get(id) === height) continue;
      heights.current.set(id, height);
      changed = true;
    }
    if (!changed) return;
    const { ids, guess } = latest.current;
    latest.current.offsets = offsetsOf(ids, heights.current, guess);  // of rows that are on the page, so what is left out stays as high
    hold();
    look(true);
  });

  useEffect(() => {
    const element = view.current;
    if (!element) return;
    const watching = observer.current;
    const onMove = (): void => look(false);
    element.addEventListener('scroll', onMove, { passive: true });
    window.addEventListener('resize', onMove);
    return () => {
      element.removeEventListener('scroll', onMove);
      window.removeEventListener('resize', onMove);
      watching?.disconnect();
    };
  }, [view, look]);

  const key = `${ids.length} ${ids[0] ?? ''} ${ids[ids.length - 1] ?? ''} ${offsets[ids.length]!}`;
  const begun = range.from < range.to;
  useLayoutEffect(() => {
    hold();
    if (begun) look(true);
    else void apart().then(() => look(true));  // the first rows are not drawn in the task that drew the page around them
  }, [hold, look, key, begun, range.from, range.to]);

  const row = useCallback((id: string) => (element: HTMLElement | null) => {
    if (!element) return undefined;
    rows.current.set(id, element);
    observer.current?.observe(element);
    return () => {
      rows.current.delete(id);
      observer.current?.unobserve(element);
    };
  }, []);

  const from = Math.min(range.from, ids.length);
  const to = Math.min(Math.max(range.to, from), ids.length);
  return { from, to, before: offsets[from]!, after: offsets[ids.length]! - offsets[to]!, row };
}

function offsetsOf(ids: readonly string[], heights: ReadonlyMap<string, number>, guess: (index: number) => number): Float64Array {
  const offsets = new Float64Array(ids.length + 1);
  for (let i = 0; i < ids.length; i++) offsets[i + 1] = offsets[i]! + (heights.get(ids[i]!) ?? guess(i));
  return offsets;
}

// The last row that begins at or above `at`.
function rowAt(offsets: Float64Array, at: number): number {
  let low = 0;
  let high = Math.max(0, offsets.length - 2);
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (offsets[middle]! <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}

function heldRow(view: HTMLElement, rows: ReadonlyMap<string, HTMLElement>, ids: readonly string[]): Held | null {
  for (const id of ids) {
    const row = rows.get(id);
    if (row && row.offsetTop + row.offsetHeight > view.scrollTop) return { id, top: row.offsetTop };
  }
  return null;
}

// A row that leaves takes the focus with it, and with that the keys that scroll: the view takes it over.
function keepFocus(view: HTMLElement, rows: ReadonlyMap<string, HTMLElement>, staying: readonly string[]): void {
  const focused = document.activeElement;
  if (!focused || focused === view || !view.contains(focused)) return;
  if (!staying.some((id) => rows.get(id)?.contains(focused))) view.focus({ preventScroll: true });
}
