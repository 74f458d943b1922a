/** The list of a `<select>`, which no picture of a page shows: below its box, to choose from by pointer or keys. */
import * as React from 'react';

import { useWords } from '../../ui';
import { begins, reachable } from './choosing';
import type { PageChoice } from './news';
import type { Size } from '../stage/points';

const TYPING_MS = 800;

export function ChoiceList(props: {
  choice: PageChoice;
  page: Size;
  onChoose: (index: number | null) => void;
}): React.JSX.Element {
  const { choice, page } = props;
  const { options } = choice;
  const trans = useWords();
  const list = React.useRef<HTMLUListElement>(null);
  const id = React.useId();
  const [at, setAt] = React.useState(choice.chosen);
  const typed = React.useRef({ text: '', at: 0 });
  const chosen = React.useRef(false);
  React.useEffect(() => list.current?.focus({ preventScroll: true }), []);
  React.useEffect(() => {
    list.current?.children[at]?.scrollIntoView({ block: 'nearest' });
  }, [at]);

  const choose = (index: number | null) => {
    if (chosen.current) return;
    chosen.current = true;
    props.onChoose(index);
  };
  const move = (index: number) => {
    if (index >= 0) setAt(index);
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    event.stopPropagation();
    const last = options.length - 1;
    switch (event.key) {
      case 'ArrowDown':
        move(reachable(options, at + 1, 1));
        break;
      case 'ArrowUp':
        move(reachable(options, at - 1, -1));
        break;
      case 'Home':
        move(reachable(options, 0, 1));
        break;
      case 'End':
        move(reachable(options, last, -1));
        break;
      case 'Enter':
      case 'Tab':
        choose(at);
        break;
      case 'Escape':
        choose(null);
        break;
      default: {
        if ([...event.key].length !== 1) return;
        const now = event.timeStamp;
        const before = typed.current;
        const text =
          now - before.at < TYPING_MS ? before.text + event.key : event.key;
        typed.current = { text, at: now };
        move(begins(options, text, at));
      }
    }
    event.preventDefault();
  };
  const share = (value: number, of: number) => `${(value / of) * 100}%`;
  const below = choice.y + choice.height / 2 < page.height / 2;
  return (
    <ul
      ref={list}
      className="choice"
      role="listbox"
      tabIndex={0}
      aria-label={trans.__('Choices of the page')}
      aria-activedescendant={options[at] ? `${id}${at}` : undefined}
      data-lm-suppress-shortcuts="true"
      style={{
        left: share(choice.x, page.width),
        minWidth: share(choice.width, page.width),
        maxWidth: share(page.width - Math.max(0, choice.x), page.width),
        ...(below
          ? {
              top: share(choice.y + choice.height, page.height),
              maxHeight: share(
                page.height - choice.y - choice.height,
                page.height
              )
            }
          : {
              bottom: share(page.height - choice.y, page.height),
              maxHeight: share(choice.y, page.height)
            })
      }}
      onKeyDown={onKeyDown}
      onBlur={() => choose(null)}
    >
      {options.map((option, index) => (
        <li
          key={index}
          id={`${id}${index}`}
          role="option"
          aria-selected={index === at}
          aria-disabled={option.disabled || undefined}
          className={
            option.group && option.group !== options[index - 1]?.group
              ? 'headed'
              : ''
          }
          data-group={option.group || undefined}
          aria-label={
            option.group ? `${option.group}: ${option.label}` : undefined
          }
          onPointerEnter={() => {
            if (!option.disabled) setAt(index);
          }}
          onMouseDown={event => {
            event.preventDefault();
            if (!option.disabled && event.button === 0) choose(index);
          }}
        >
          {option.label || '\u00a0'}
        </li>
      ))}
    </ul>
  );
}
