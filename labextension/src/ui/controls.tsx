/** Buttons, menus, tabs, notes and skeletons. They know nothing of agents. */
import * as React from 'react';

import { Icon, type IconName } from './icons';
import { useWords } from './words';

export interface IButtonProps {
  children?: React.ReactNode;
  /** One primary in a place; danger only where pressing it loses something, and the words say what. */
  kind?: 'plain' | 'primary' | 'danger' | 'quiet';
  small?: boolean;
  icon?: IconName;
  /** The name for screen readers and the tooltip; needed where there are no words. */
  label?: string;
  title?: string;
  /** The key that does the same, shown on the button. */
  hint?: string;
  pressed?: boolean;
  /** Why it cannot be pressed; it stays focusable so that the reason can be read. */
  disabled?: string | false;
  className?: string;
  onClick?: (event: React.MouseEvent<HTMLButtonElement>) => void;
}

/** A button. A disabled one keeps the focus and says why in its tooltip. */
export const Button = React.forwardRef<HTMLButtonElement, IButtonProps>(
  function Button(props, ref) {
    const { kind = 'plain', icon, children, disabled } = props;
    const bare = icon !== undefined && !children;
    const classes = [
      'ae-btn',
      kind === 'plain' ? '' : kind,
      props.small ? 'small' : '',
      bare ? 'icon' : '',
      props.className ?? ''
    ];
    return (
      <button
        ref={ref}
        type="button"
        className={classes.filter(name => name).join(' ')}
        aria-label={props.label}
        title={disabled || props.title || props.label}
        aria-pressed={props.pressed}
        aria-disabled={disabled ? true : undefined}
        onClick={event => {
          if (!disabled) props.onClick?.(event);
        }}
      >
        {icon && <Icon name={icon} size={props.small && !bare ? 12 : 14} />}
        {children}
        {props.hint && (
          <span className="ae-kbd" aria-hidden="true">
            {props.hint}
          </span>
        )}
      </button>
    );
  }
);

export interface IMenuItem {
  label: string;
  icon?: IconName;
  note?: string;
  /** Why it cannot be chosen. */
  disabled?: string | false;
  separated?: boolean;
  onSelect: () => void;
}

/** A button that opens a list of things to do. Arrows move, Escape closes, the focus comes back to the button. */
export function Menu(props: {
  items: readonly IMenuItem[];
  label: string;
  icon?: IconName;
  kind?: IButtonProps['kind'];
  small?: boolean;
  children?: React.ReactNode;
  className?: string;
}): React.JSX.Element {
  const { icon = 'more', kind = 'quiet', small = true } = props;
  const button = React.useRef<HTMLButtonElement>(null);
  const list = React.useRef<HTMLDivElement>(null);
  const [open, setOpen] = React.useState(false);

  React.useEffect(() => {
    const menu = list.current;
    const anchor = button.current;
    if (!open || !menu || !anchor) return undefined;
    // The top layer is not clipped by the containment of Lab's panels.
    menu.showPopover();
    const place = anchor.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = menu;
    const left = Math.max(
      4,
      Math.min(place.right - width, window.innerWidth - width - 4)
    );
    const below = place.bottom + 4;
    const top =
      below + height > window.innerHeight - 4
        ? Math.max(4, place.top - height - 4)
        : below;
    menu.style.left = `${left}px`;
    menu.style.top = `${top}px`;
    menu.querySelector<HTMLButtonElement>('button:not(:disabled)')?.focus();
    const closed = (event: Event) => {
      if ((event as ToggleEvent).newState === 'closed') setOpen(false);
    };
    menu.addEventListener('toggle', closed);
    return () => menu.removeEventListener('toggle', closed);
  }, [open]);

  const close = () => {
    list.current?.hidePopover();
    button.current?.focus();
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    const entries = [
      ...(list.current?.querySelectorAll<HTMLButtonElement>(
        'button:not(:disabled)'
      ) ?? [])
    ];
    const at = entries.indexOf(document.activeElement as HTMLButtonElement);
    const move: Readonly<Record<string, number>> = {
      ArrowDown: (at + 1) % entries.length,
      ArrowUp: (at - 1 + entries.length) % entries.length,
      Home: 0,
      End: entries.length - 1
    };
    event.stopPropagation();
    if (event.key in move) {
      entries[move[event.key]]?.focus();
      event.preventDefault();
    } else if (event.key === 'Escape' || event.key === 'Tab') {
      close();
      event.preventDefault();
    }
  };
  return (
    <>
      <Button
        ref={button}
        icon={icon}
        kind={kind}
        small={small}
        label={props.label}
        className={props.className}
        onClick={() => setOpen(true)}
      >
        {props.children}
      </Button>
      {open && (
        <div
          ref={list}
          className="ae-menu"
          role="menu"
          data-lm-suppress-shortcuts="true"
          aria-label={props.label}
          onKeyDown={onKeyDown}
          {...{ popover: 'auto' }}
        >
          {props.items.map(item => (
            <React.Fragment key={item.label}>
              {item.separated && <hr />}
              <button
                type="button"
                role="menuitem"
                disabled={Boolean(item.disabled)}
                title={item.disabled || undefined}
                onClick={event => {
                  event.stopPropagation();
                  close();
                  item.onSelect();
                }}
              >
                {item.icon && <Icon name={item.icon} size={14} />}
                <span className="ae-grow">
                  {item.label}
                  {item.note && (
                    <span className="ae-menu-note">{item.note}</span>
                  )}
                </span>
              </button>
            </React.Fragment>
          ))}
        </div>
      )}
    </>
  );
}

export interface ITab<Id extends string> {
  id: Id;
  label: string;
  count?: number;
  asks?: boolean;
}

/** Moves the focus along a row of tabs by the arrows, from the one at `at`; gives where it went, null for other keys. */
export function neighbour(
  event: React.KeyboardEvent<HTMLElement>,
  at: number,
  count: number
): number | null {
  const step =
    event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
  if (step === 0 || count === 0) return null;
  const next = (at + step + count) % count;
  (event.currentTarget.children[next] as HTMLElement).focus();
  event.preventDefault();
  return next;
}

/** A row of tabs; arrows move between them. `controls` is the id of the panel they change. */
export function Tabs<Id extends string>(props: {
  tabs: readonly ITab<Id>[];
  selected: Id;
  label: string;
  controls?: string;
  className?: string;
  onSelect: (id: Id) => void;
}): React.JSX.Element {
  const { tabs, selected } = props;
  const onKeyDown = (event: React.KeyboardEvent<HTMLDivElement>) => {
    const at = tabs.findIndex(tab => tab.id === selected);
    const next = neighbour(event, at, tabs.length);
    if (next !== null) props.onSelect(tabs[next].id);
  };
  return (
    <div
      className={`ae-tabs ${props.className ?? ''}`}
      role="tablist"
      aria-label={props.label}
      onKeyDown={onKeyDown}
    >
      {tabs.map(tab => (
        <button
          key={tab.id}
          type="button"
          role="tab"
          aria-selected={tab.id === selected}
          aria-controls={props.controls}
          tabIndex={tab.id === selected ? 0 : -1}
          onClick={() => props.onSelect(tab.id)}
        >
          {tab.label}
          {tab.count !== undefined && tab.count > 0 && (
            <span className={tab.asks ? 'ae-count warn' : 'ae-count'}>
              {tab.count}
            </span>
          )}
        </button>
      ))}
    </div>
  );
}

/** One sentence about what happened, and one thing to do. */
export function Note(props: {
  tone?: 'plain' | 'warn' | 'bad' | 'run';
  icon?: IconName;
  children: React.ReactNode;
  action?: React.ReactNode;
  alert?: boolean;
}): React.JSX.Element {
  const { tone = 'plain' } = props;
  return (
    <div
      className={tone === 'plain' ? 'ae-note' : `ae-note ${tone}`}
      role={props.alert ? 'alert' : undefined}
    >
      {props.icon && <Icon name={props.icon} size={14} />}
      <div className="ae-grow">{props.children}</div>
      {props.action}
    </div>
  );
}

/** What could not be read or done, in words, and the way to try it again. */
export function Failure(props: {
  tone: 'warn' | 'bad';
  again: () => void;
  children: React.ReactNode;
}): React.JSX.Element {
  const trans = useWords();
  return (
    <Note
      tone={props.tone}
      icon="error"
      action={
        <Button small onClick={props.again}>
          {trans.__('Try again')}
        </Button>
      }
    >
      {props.children}
    </Note>
  );
}

/** A grey block in the place of what is being loaded; nothing for the first 200 ms. */
export function Skeleton(props: {
  width?: number | string;
  height?: number | string;
}): React.JSX.Element {
  return (
    <span className="ae-late">
      <span
        className="ae-sk"
        style={{ width: props.width ?? '100%', height: props.height ?? 12 }}
      />
    </span>
  );
}

/** Shows a sentence once something took longer than `afterMs`. */
export function Patience(props: {
  children: React.ReactNode;
  afterMs?: number;
}): React.JSX.Element | null {
  const [late, setLate] = React.useState(false);
  const { afterMs = 5000 } = props;
  React.useEffect(() => {
    const timer = window.setTimeout(() => setLate(true), afterMs);
    return () => window.clearTimeout(timer);
  }, [afterMs]);
  return late ? (
    <p className="ae-small ae-2" role="status">
      {props.children}
    </p>
  ) : null;
}

/** An on–off switch with its words. */
export function Switch(props: {
  on: boolean;
  children: React.ReactNode;
  onChange: (on: boolean) => void;
}): React.JSX.Element {
  const id = React.useId();
  return (
    <span className="ae-row ae-small">
      <button
        type="button"
        className="ae-switch"
        role="switch"
        aria-checked={props.on}
        aria-labelledby={id}
        onClick={() => props.onChange(!props.on)}
      />
      <span id={id}>{props.children}</span>
    </span>
  );
}
