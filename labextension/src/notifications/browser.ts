/** The browser's own notifications, for a page in the background. */

/** Asks the person, if the browser has not been told yet. Whether it may be done. */
export async function askPermission(): Promise<boolean> {
  if (!('Notification' in window)) return false;
  if (window.Notification.permission === 'default') {
    return (await window.Notification.requestPermission()) === 'granted';
  }
  return window.Notification.permission === 'granted';
}

/** Shows one while the page is hidden; one of the same `tag` replaces the last. A click brings the page back. */
export function notifyOutside(
  title: string,
  body: string,
  tag: string,
  onClick: () => void
): void {
  if (
    !document.hidden ||
    !('Notification' in window) ||
    window.Notification.permission !== 'granted'
  ) {
    return;
  }
  const shown = new window.Notification(title, { body, tag });
  shown.onclick = () => {
    window.focus();
    onClick();
    shown.close();
  };
}
