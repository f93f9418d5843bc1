import { memo, useCallback, useEffect, useMemo, useRef, useState, type KeyboardEvent, type RefObject } from 'react';
import type { Chat } from '../chat/types';
import { text } from '../text';
import { copy } from './CopyButton';
import { markdownOf, pickFiles, saveJson, saveMarkdown } from './files';
import { useBorrowedFocus, useStore } from './hooks';
import { Icon, IconButton } from './icons';
import { Menu } from './Menu';
import { useWindow } from './useWindow';

interface SidebarProps {
  chats: readonly Chat[];
  busy: string;     // ids of the chats in which an answer arrives
  currentId: string | null;
  covers: boolean;  // it lies over the chat, as a sheet
  search: RefObject<HTMLInputElement | null>;
  onOpen: (id: string | null) => void;
  onKeys: () => void;
  onRuns: () => void;
  onClose: () => void;
  onRead: (file: File) => void;
  onNotice: (notice: string) => void;
}

export const Sidebar = memo(function Sidebar(props: SidebarProps) {
  const { chats, currentId, covers, search, onOpen, onKeys, onRuns, onClose, onRead } = props;
  const store = useStore();
  const [wanted, setWanted] = useState('');
  const place = useBorrowedFocus<HTMLElement>(covers);
  const { found, lines } = useFound(chats, wanted.trim());

  const onSearchKey = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' || !found[0]) return;
    event.preventDefault();
    setWanted('');
    onOpen(found[0].id);
  };

  return (
    <nav className="sidebar" aria-label={text.chats} ref={place} tabIndex={-1} onKeyDown={moveByArrows}>
      <div className="sidebar-head">
        <button type="button" className="new-chat" onClick={() => onOpen(null)}><Icon name="plus" />{text.newChat}</button>
        <IconButton icon="sidebar" label={text.hideSidebar} onClick={onClose} />
      </div>
      <input ref={search} className="find" type="search" placeholder={text.findChats} aria-label={text.findChats} value={wanted}
        onChange={(event) => setWanted(event.target.value)} onKeyDown={onSearchKey} />
      {found.length === 0
        ? <p className="sidebar-note">{wanted.trim() === '' ? text.noChats : text.noneFound}</p>
        : <ChatList {...props} chats={found} lines={lines} currentId={currentId} />}
      <div className="sidebar-foot">
        <button type="button" className="keys-button" onClick={onKeys}><kbd>?</kbd>{text.shortcuts}</button>
        <Menu label={text.more} icon="more" items={[
          { label: text.readFile, icon: 'up', onSelect: () => pickFiles('.json,application/json', false, (files) => files[0] && onRead(files[0])) },
          { label: text.saveAll, icon: 'down', onSelect: () => void saveJson(store) },
          ...(store.connection.engine.runs ? [{ label: text.runs.title, icon: 'curve' as const, onSelect: onRuns }] : []),
        ]} />
      </div>
    </nav>
  );
});

const kRowHeight = 40;
const kLineHeight = 20;
const never = (): boolean => false;

function ChatList(props: SidebarProps & { lines: ReadonlyMap<string, Found> }) {
  const { chats, lines, busy, currentId, onOpen, onNotice } = props;
  const [renaming, setRenaming] = useState<string | null>(null);
  const view = useRef<HTMLDivElement>(null);
  const ids = useMemo(() => chats.map((c) => c.id), [chats]);
  const rows = useWindow(view, ids, useCallback(() => kRowHeight + (lines.size > 0 ? kLineHeight : 0), [lines]), never);
  return (
    <div className="chat-view" ref={view}>
      <ul className="chat-list" style={{ paddingTop: rows.before, paddingBottom: rows.after }}>
        {chats.slice(rows.from, rows.to).map((chat) => (
          <li key={chat.id} data-row={chat.id} ref={rows.row(chat.id)} className={chat.id === currentId ? 'chat-row current' : 'chat-row'}>
            {renaming === chat.id
              ? <RenameField chat={chat} onDone={() => setRenaming(null)} />
              : <Row chat={chat} line={lines.get(chat.id)} busy={busy.includes(chat.id)} current={chat.id === currentId} onOpen={onOpen} onRename={setRenaming} onNotice={onNotice} />}
          </li>
        ))}
      </ul>
    </div>
  );
}

interface RowProps {
  chat: Chat;
  line: Found | undefined;
  busy: boolean;
  current: boolean;
  onOpen: (id: string) => void;
  onRename: (id: string) => void;
  onNotice: (notice: string) => void;
}

function Row({ chat, line, busy, current, onOpen, onRename, onNotice }: RowProps) {
  const store = useStore();
  return (
    <>
      <button type="button" className="chat-title" aria-current={current ? 'page' : undefined} onClick={() => onOpen(chat.id)}>
        <span className="chat-name" dir="auto">{chat.title}</span>
        {chat.pinned && <span className="chat-mark" role="img" aria-label={text.pinned}><Icon name="pin" /></span>}
        {busy && <span className="chat-busy" role="img" aria-label={text.arriving} />}
        {line !== undefined && <span className="chat-line" dir="auto">{line.before}<mark>{line.words}</mark>{line.after}</span>}
      </button>
      <span className="row-buttons">
        <Menu label={`${text.more}: ${chat.title}`} icon="more" items={[
          { label: text.rename, icon: 'pencil', onSelect: () => onRename(chat.id) },
          { label: chat.pinned ? text.unpin : text.pin, icon: 'pin', onSelect: () => store.pin(chat.id, !chat.pinned) },
          { label: text.copyChat, icon: 'copy', onSelect: () => void markdownOf(store, chat).then(copy).then((done) => done && onNotice(text.copied)) },
          { label: text.saveMarkdown, icon: 'down', onSelect: () => void saveMarkdown(store, chat) },
          { label: text.saveJson, icon: 'down', onSelect: () => void saveJson(store, chat) },
          { label: text.remove, icon: 'bin', onSelect: () => store.remove(chat.id) },
        ]} />
      </span>
    </>
  );
}

function RenameField({ chat, onDone }: { chat: Chat; onDone: () => void }) {
  const store = useStore();
  const [title, setTitle] = useState(chat.title);
  const save = (): void => {
    store.rename(chat.id, title);
    onDone();
  };
  return (
    <input className="rename" value={title} aria-label={text.rename} autoFocus dir="auto" maxLength={200} onChange={(event) => setTitle(event.target.value)} onBlur={save}
      onFocus={(event) => event.target.select()}
      onKeyDown={(event) => {
        if (event.key === 'Enter') save();
        if (event.key === 'Escape') {
          event.stopPropagation();
          onDone();
        }
      }} />
  );
}

const kFindMs = 150;
const kBefore = 14;  // characters of a found line before the words
const kAfter = 100;

// A line of a chat that has the words.
interface Found {
  before: string;
  words: string;
  after: string;
}

// Chats whose title or messages have the words, and for each the line that has them.
function useFound(chats: readonly Chat[], wanted: string): { found: readonly Chat[]; lines: ReadonlyMap<string, Found> } {
  const store = useStore();
  const [lines, setLines] = useState<{ of: string; lines: ReadonlyMap<string, Found> }>({ of: '', lines: new Map() });
  useEffect(() => {
    if (wanted === '') return;
    let current = true;
    const timer = setTimeout(() => {
      void store.archive.find(wanted).then((messages) => {
        if (current) setLines({ of: wanted, lines: new Map([...messages].map(([id, m]) => [id, around(m.content, wanted)])) });
      }, () => undefined);
    }, kFindMs);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [wanted, store, chats.length]);
  return useMemo(() => {
    if (wanted === '') return { found: chats, lines: new Map() };
    const needle = wanted.toLowerCase();
    const known = needle.startsWith(lines.of.toLowerCase()) && lines.of !== '' ? lines.lines : new Map<string, Found>();
    return { found: chats.filter((c) => c.title.toLowerCase().includes(needle) || known.has(c.id)), lines: known };
  }, [chats, wanted, lines]);
}

function around(content: string, wanted: string): Found {
  const at = content.toLowerCase().indexOf(wanted.toLowerCase());
  const before = plain(content.slice(0, at));
  return {
    before: before.length > kBefore ? `…${before.slice(-kBefore).replace(/^\S*\s/, '')}` : before,
    words: content.slice(at, at + wanted.length),
    after: plain(content.slice(at + wanted.length)).slice(0, kAfter),
  };
}

// Without most of Markdown's marks, in one line.
function plain(markdown: string): string {
  return markdown.replace(/[|*`#>]|:?-{2,}:?|:-:/g, ' ').replace(/\s+/g, ' ');
}

// ↑ and ↓ walk from the search field through the titles.
function moveByArrows(event: KeyboardEvent<HTMLElement>): void {
  if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
  const stops = [...event.currentTarget.querySelectorAll<HTMLElement>('.find, .chat-title')];
  const at = stops.indexOf(document.activeElement as HTMLElement);
  const next = stops[at + (event.key === 'ArrowDown' ? 1 : -1)];
  if (at < 0 || !next) return;
  event.preventDefault();
  next.focus();
}
