import { useId, useRef, useState, type KeyboardEvent } from 'react';
import { Icon, type IconName } from './icons';

export interface MenuItem {
  label: string;
  icon: IconName;
  onSelect: () => void;
}

// A button and the list of actions that it opens, in the browser's own top layer, which closes it on Esc and on a click elsewhere.
export function Menu({ label, icon, items }: { label: string; icon: IconName; items: readonly MenuItem[] }) {
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  const id = useId();

  const show = (): void => {
    const place = button.current!.getBoundingClientRect();
    const element = list.current!;
    element.showPopover();
    const { offsetWidth: width, offsetHeight: height } = element;
    const rtl = document.documentElement.dir === 'rtl';
    const left = rtl ? place.left : place.right - width;
    element.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
    element.style.top = `${place.bottom + 4 + height > innerHeight ? Math.max(8, place.top - height - 4) : place.bottom + 4}px`;
    element.querySelector('button')?.focus();
  };
  const hide = (): void => {
    list.current?.hidePopover();
    button.current?.focus();
  };

  return (
    <>
      <button ref={button} type="button" className="icon-button" aria-label={label} title={label} aria-haspopup="menu" aria-expanded={open} aria-controls={id}
        onClick={() => (open ? hide() : show())}>
        <Icon name={icon} />
      </button>
      <div ref={list} id={id} className="menu" popover="auto" role="menu" aria-label={label} onKeyDown={(event) => move(event, hide)}
        onToggle={(event) => setOpen(event.newState === 'open')}>
        {items.map((item) => (
          <button key={item.label} type="button" role="menuitem" tabIndex={-1} onClick={() => {
            hide();
            item.onSelect();
          }}>
            <Icon name={item.icon} />{item.label}
          </button>
        ))}
      </div>
    </>
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
