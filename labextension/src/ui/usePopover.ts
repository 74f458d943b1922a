/** A popover in the top layer, beside what it was opened by: below it, or above where there is no room. */
import * as React from 'react';

/** Shows the element while it is mounted; `onClose` is called when it is dismissed. */
export function usePopover(
  box: React.RefObject<HTMLElement>,
  anchor: HTMLElement,
  onClose: () => void
): void {
  const closed = React.useRef(onClose);
  closed.current = onClose;
  React.useEffect(() => {
    const popover = box.current;
    if (!popover) return undefined;
    // The top layer is not clipped by the containment of Lab's panels.
    popover.showPopover();
    const place = anchor.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = popover;
    const below = place.bottom + 4;
    const top =
      below + height > window.innerHeight - 4
        ? Math.max(4, place.top - height - 4)
        : below;
    const right = Math.min(place.right, window.innerWidth - 8);
    popover.style.left = `${Math.max(8, right - width)}px`;
    popover.style.top = `${top}px`;
    popover.querySelector('textarea')?.focus();
    const toggled = (event: Event) => {
      if ((event as ToggleEvent).newState === 'closed') closed.current();
    };
    popover.addEventListener('toggle', toggled);
    return () => popover.removeEventListener('toggle', toggled);
  }, [anchor, box]);
}
