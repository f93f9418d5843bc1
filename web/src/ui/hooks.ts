import { createContext, useContext, useEffect, useLayoutEffect, useRef, useState, useSyncExternalStore } from 'react';
import type { State, Store } from '../chat/store';

export const StoreContext = createContext<Store | null>(null);

export function useStore(): Store {
  const store = useContext(StoreContext);
  if (!store) throw new Error('a view outside of the page');
  return store;
}

export function useChatState(): State {
  const store = useStore();
  return useSyncExternalStore(store.subscribe, store.snapshot);
}

// The time in ms, drawn anew every second while `running`.
export function useSeconds(running: boolean, clock: () => number): number {
  const [now, setNow] = useState(clock);
  useEffect(() => {
    if (!running) return;
    setNow(clock());
    const timer = setInterval(() => setNow(clock()), 1000);
    return () => clearInterval(timer);
  }, [running, clock]);
  return now;
}

export function useIsNarrow(): boolean {
  const [narrow, setNarrow] = useState(() => matchMedia(kNarrow).matches);
  useEffect(() => {
    const query = matchMedia(kNarrow);
    const onChange = (): void => setNarrow(query.matches);
    query.addEventListener('change', onChange);
    return () => query.removeEventListener('change', onChange);
  }, []);
  return narrow;
}

const kNarrow = '(max-width: 760px)';

// A text field as high as its text; the style sheet sets the bounds.
export function useGrowingField(value: string): React.RefObject<HTMLTextAreaElement | null> {
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    const element = field.current;
    if (!element) return;
    element.style.height = 'auto';
    element.style.height = `${element.scrollHeight}px`;
  }, [value]);
  return field;
}

// Puts the focus into what opened, and back where it was when it closes.
export function useBorrowedFocus<T extends HTMLElement>(borrow: boolean): React.RefObject<T | null> {
  const place = useRef<T>(null);
  useLayoutEffect(() => {
    if (!borrow) return;
    const before = document.activeElement;
    place.current?.focus();
    return () => {
      // Not before what covered it is gone.
      requestAnimationFrame(() => {
        if (before instanceof HTMLElement && before.isConnected && document.activeElement === document.body) before.focus();
      });
    };
  }, [borrow]);
  return place;
}

// Files dropped anywhere on the page; returns whether some are held over it.
export function useDroppedFiles(onFiles: (files: File[]) => unknown): boolean {
  const [over, setOver] = useState(false);
  const latest = useRef(onFiles);
  latest.current = onFiles;
  useEffect(() => {
    const has = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
    const onOver = (event: DragEvent): void => {
      if (!has(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const onLeave = (event: DragEvent): void => {
      if (event.relatedTarget === null) setOver(false);
    };
    const onDrop = (event: DragEvent): void => {
      if (!has(event)) return;
      event.preventDefault();
      setOver(false);
      latest.current([...event.dataTransfer!.files]);
    };
    window.addEventListener('dragover', onOver);
    window.addEventListener('dragleave', onLeave);
    window.addEventListener('drop', onDrop);
    return () => {
      window.removeEventListener('dragover', onOver);
      window.removeEventListener('dragleave', onLeave);
      window.removeEventListener('drop', onDrop);
    };
  }, []);
  return over;
}
