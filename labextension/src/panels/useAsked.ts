/** What a part of a panel asks the server for. */
import * as React from 'react';

/** What was thrown, as an error. */
export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/**
 * What `ask` answers, asked again when `key` changes or by `again`. `value` is the last answer, and `of` the key it
 * belongs to: it stays while the next one is asked for, and after a failure. `failure` is of this key alone.
 */
export function useAsked<T>(
  ask: (() => Promise<T>) | null,
  key: string
): { value: T | null; of: string; failure: Error | null; again: () => void } {
  const [answer, setAnswer] = React.useState<{
    value: T | null;
    of: string;
  }>({ value: null, of: '' });
  const [failed, setFailed] = React.useState<{
    failure: Error;
    of: string;
  } | null>(null);
  const [turn, setTurn] = React.useState(0);
  const latest = React.useRef(ask);
  latest.current = ask;
  React.useEffect(() => {
    let stale = false;
    latest.current?.().then(
      value => {
        if (stale) return;
        setAnswer({ value, of: key });
        setFailed(null);
      },
      (error: unknown) => {
        if (!stale) setFailed({ failure: asError(error), of: key });
      }
    );
    return () => {
      stale = true;
    };
  }, [key, turn]);
  const again = React.useCallback(() => setTurn(count => count + 1), []);
  return {
    ...answer,
    failure: failed?.of === key ? failed.failure : null,
    again
  };
}

/** The value, changed at most once in `ms` milliseconds: for what changes faster than it is worth asking about. */
export function usePaced(value: number, ms: number): number {
  const [paced, setPaced] = React.useState(value);
  const latest = React.useRef(value);
  latest.current = value;
  const waits = paced !== value;
  React.useEffect(() => {
    if (!waits) return;
    const timer = window.setTimeout(() => setPaced(latest.current), ms);
    return () => window.clearTimeout(timer);
  }, [waits, ms]);
  return paced;
}
