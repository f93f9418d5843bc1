import { memo, useState, type KeyboardEvent, type RefObject } from 'react';
import type { Chat } from '../chat/types';
import { text } from '../text';
import { useBorrowedFocus, useStore } from './hooks';
import { Icon, IconButton } from './icons';

interface SidebarProps {
  chats: readonly Chat[];
  currentId: string | null;
  covers: boolean;  // it lies over the chat, as a sheet
  search: RefObject<HTMLInputElement | null>;
  onOpen: (id: string | null) => void;
  onKeys: () => void;
  onClose: () => void;
}

export const Sidebar = memo(function Sidebar({ chats, currentId, covers, search, onOpen, onKeys, onClose }: SidebarProps) {
  const [wanted, setWanted] = useState('');
  const [renaming, setRenaming] = useState<string | null>(null);
  const place = useBorrowedFocus<HTMLElement>(covers);
  const needle = wanted.trim().toLowerCase();
  const found = needle === '' ? chats : chats.filter((c) => c.title.toLowerCase().includes(needle));

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
      {found.length === 0 ? <p className="sidebar-note">{needle === '' ? text.noChats : text.noneFound}</p> : (
        <ul className="chat-list">
          {found.map((chat) => (
            <li key={chat.id} className={chat.id === currentId ? 'chat-row current' : 'chat-row'}>
              {renaming === chat.id
                ? <RenameField chat={chat} onDone={() => setRenaming(null)} />
                : <Row chat={chat} current={chat.id === currentId} onOpen={onOpen} onRename={setRenaming} />}
            </li>
          ))}
        </ul>
      )}
      <button type="button" className="keys-button" onClick={onKeys}><kbd>?</kbd>{text.shortcuts}</button>
    </nav>
  );
});

function Row({ chat, current, onOpen, onRename }: { chat: Chat; current: boolean; onOpen: (id: string) => void; onRename: (id: string) => void }) {
  const store = useStore();
  return (
    <>
      <button type="button" className="chat-title" dir="auto" aria-current={current ? 'page' : undefined} onClick={() => onOpen(chat.id)}>{chat.title}</button>
      <span className="row-buttons">
        <IconButton icon="pencil" label={`${text.rename}: ${chat.title}`} onClick={() => onRename(chat.id)} />
        <IconButton icon="bin" label={`${text.remove}: ${chat.title}`} onClick={() => store.remove(chat.id)} />
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
