/** Figures as people read them. Times are seconds, money is US dollars. Words are translated by the caller. */

/** `$0.42`, `$18.42`, `$1,204`; less than a cent `<$0.01`; nothing `$0.00`; not yet known `~$0.42`. */
export function money(usd: number, known = true): string {
  const sign = known ? '' : '~';
  if (usd <= 0) return `${sign}$0.00`;
  if (usd < 0.01) return known ? '<$0.01' : '~$0.01';
  if (usd < 1000) return `${sign}$${usd.toFixed(2)}`;
  return `${sign}$${Math.round(usd).toLocaleString('en-US')}`;
}

/** The same without needless zeros, for limits: `$2`, `$2.50`. */
export function limitMoney(usd: number): string {
  return Number.isInteger(usd)
    ? `$${usd.toLocaleString('en-US')}`
    : money(usd).replace(
        /^<\$0\.01$/,
        `$${String(Number(usd.toPrecision(2)))}`
      );
}

/** The cost of one step, to a tenth of a cent: `$0.012`. */
export function stepMoney(usd: number, known = true): string {
  const sign = known ? '' : '~';
  if (usd <= 0) return `${sign}$0.00`;
  if (usd < 0.001) return `${known ? '<' : '~'}$0.001`;
  return usd < 1 ? `${sign}$${usd.toFixed(3)}` : money(usd, known);
}

/** `940`, `18.4k`, `72k`, `1.1M`. */
export function tokenCount(count: number): string {
  if (count < 1000) return String(Math.round(count));
  if (count < 999_500) return `${short(count / 1000)}k`;
  return `${short(count / 1_000_000)}M`;
}

function short(value: number): string {
  const text = value.toFixed(1);
  return text.endsWith('.0') ? text.slice(0, -2) : text;
}

/** Time spent: `0m 38s`, `4m 12s`, `1h 08m`, `2d 3h`. */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  const minutes = Math.floor(s / 60);
  const hours = Math.floor(minutes / 60);
  if (hours >= 24) return `${Math.floor(hours / 24)}d ${hours % 24}h`;
  if (hours > 0) return `${hours}h ${two(minutes % 60)}m`;
  return `${minutes}m ${two(s % 60)}s`;
}

/** How long one call took: `0.02 s`, `1.6 s`, `41.2 s`, then as `duration`. */
export function took(seconds: number): string {
  if (seconds < 0.1) return `${Math.max(0.01, seconds).toFixed(2)} s`;
  return seconds < 60 ? `${seconds.toFixed(1)} s` : duration(seconds);
}

/** A time limit without needless parts: `30m`, `1h`, `90s`. */
export function limitDuration(seconds: number): string {
  if (seconds % 3600 === 0) return `${seconds / 3600}h`;
  if (seconds % 60 === 0) return `${seconds / 60}m`;
  return seconds < 120 ? `${Math.round(seconds)}s` : duration(seconds);
}

/** A wait, in one unit: `40s`, `2m`, `3h`, `5d`. */
export function wait(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m`;
  if (s < 86_400) return `${Math.floor(s / 3600)}h`;
  return `${Math.floor(s / 86_400)}d`;
}

/** The age of something fresh: to the second under ten minutes (`1m 12s`), then as `wait`. */
export function age(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60 || s >= 600) return wait(s);
  return `${Math.floor(s / 60)}m ${two(s % 60)}s`;
}

/** The clock in this page's time zone: `14:32`, exact `14:32:20`; on another day than `now` `14 Apr`. */
export function clock(at: number, now: number, exact = false): string {
  const then = new Date(at * 1000);
  const today = new Date(now * 1000);
  if (then.toDateString() !== today.toDateString()) {
    const month = then.toLocaleDateString('en-GB', { month: 'short' });
    const year =
      then.getFullYear() === today.getFullYear()
        ? ''
        : ` ${then.getFullYear()}`;
    return `${then.getDate()} ${month.slice(0, 3)}${year}`;
  }
  const hands = `${two(then.getHours())}:${two(then.getMinutes())}`;
  return exact ? `${hands}:${two(then.getSeconds())}` : hands;
}

/** `12/50`, and `52` without a limit. */
export function steps(done: number, limit: number | null): string {
  return limit === null ? String(done) : `${done}/${limit}`;
}

/** `940 B`, `18.4 kB`, `1.1 MB`. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 999_500) return `${short(bytes / 1000)} kB`;
  if (bytes < 999_500_000) return `${short(bytes / 1_000_000)} MB`;
  return `${short(bytes / 1_000_000_000)} GB`;
}

/** A share in whole percent, 0 to 100. */
export function percent(part: number, whole: number): number {
  if (!(whole > 0)) return 0;
  return Math.max(0, Math.min(100, Math.round((part / whole) * 100)));
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
