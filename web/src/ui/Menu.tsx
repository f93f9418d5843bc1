import { useId, useLayoutEffect, useRef, useState, type KeyboardEvent, type RefObject } from 'react';
import { Icon, type IconName } from './icons';

export interface MenuItem {
  label: string;
  icon: IconName;
  onSelect: () => void;
}

// A button and the list of actions that it opens. Only an open list is on the page: each row of a long list of chats has a menu.
export function Menu({ label, icon, items }: { label: string; icon: IconName; items: readonly MenuItem[] }) {
  const button = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);
  const id = useId();
  const hide = (): void => {
    setOpen(false);
    button.current?.focus();
  };
  return (
    <>
      <button ref={button} type="button" className="icon-button" aria-label={label} title={label} aria-haspopup="menu" aria-expanded={open} aria-controls={open ? id : undefined}
        onClick={() => (open ? hide() : setOpen(true))}>
        <Icon name={icon} />
      </button>
      {open && <MenuList id={id} label={label} items={items} button={button} onHide={hide} onGone={() => setOpen(false)} />}
    </>
  );
}

interface MenuListProps {
  id: string;
  label: string;
  items: readonly MenuItem[];
  button: RefObject<HTMLButtonElement | null>;
  onHide: () => void;
  onGone: () => void;
}

// In the browser's own top layer, which closes it on Esc and on a click elsewhere.
function MenuList({ id, label, items, button, onHide, onGone }: MenuListProps) {
  const list = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const place = button.current!.getBoundingClientRect();
    const element = list.current!;
    element.showPopover();
    const { offsetWidth: width, offsetHeight: height } = element;
    const rtl = document.documentElement.dir === 'rtl';
    const left = rtl ? place.left : place.right - width;
    element.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
    element.style.top = `${place.bottom + 4 + height > innerHeight ? Math.max(8, place.top - height - 4) : place.bottom + 4}px`;
    element.querySelector('button')?.focus();
  }, [button]);
  return (
    <div ref={list} id={id} className="menu" popover="auto" role="menu" aria-label={label} onKeyDown={(event) => move(event, onHide)}
      onToggle={(event) => event.newState === 'closed' && onGone()}>
      {items.map((item) => (
        <button key={item.label} type="button" role="menuitem" tabIndex={-1} onClick={() => {
          onHide();
          item.onSelect();
        }}>
          <Icon name={item.icon} />{item.label}
        </button>
      ))}
    </div>
  );
}

function move(event: KeyboardEvent<HTMLElement>, hide: () => void): void {
  const items = [...event.currentTarget.querySelectorAll('button')];
  const at = items.indexOf(document.activeElement as HTMLButtonElement);
  const steps: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 };
  const next = steps[event.key];
  if (event.key === 'Tab' || event.key === 'Escape') hide();
  else if (next !== undefined) items[(next + items.length) % items.length]?.focus();
  else return;
  event.preventDefault();
  event.stopPropagation();
}
