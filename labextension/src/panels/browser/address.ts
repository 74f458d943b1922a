/** Addresses as people type them. Pure. */

const SCHEME = /^[a-z][a-z0-9+.-]*:\/\//i;
const LOCAL =
  /^(localhost|.+\.localhost|\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:.]+\])$/i;

/**
 * The address with its scheme: what stands on a machine or a local name alone is asked for over http, all else over
 * https. Null for what is no address.
 */
export function completed(typed: string): string | null {
  const text = typed.trim();
  if (!text || /\s/.test(text)) return null;
  if (text === 'about:blank' || SCHEME.test(text)) return text;
  const host = /^(\[[^\]]*\]|[^/?#:]*)/.exec(text)?.[0] ?? '';
  const rest = text.slice(host.length);
  // A colon is followed by a port; `mailto:somebody` has another scheme and leads nowhere.
  if (!host || !/^(:\d{1,5})?([/?#]|$)/.test(rest)) return null;
  return `${LOCAL.test(host) ? 'http' : 'https'}://${text}`;
}
