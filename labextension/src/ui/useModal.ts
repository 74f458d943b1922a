/** Dialogs that lie over the page. */
import * as React from 'react';

/** For a `<dialog>`: open while it is there; the focus then goes back to where it was. */
export function useModal(): React.RefObject<HTMLDialogElement> {
  const dialog = React.useRef<HTMLDialogElement>(null);
  React.useEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    element?.showModal();
    return () => {
      element?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return dialog;
}
