/** What the server is asked for by a part of a panel. */
import * as React from 'react';

/** What a call answers, asked again when `key` changes; what was seen stays while it is asked. */
export function useAnswer<T>(
  ask: () => Promise<T>,
  key: string
): { value: T | null; failure: string } {
  const [answer, setAnswer] = React.useState<{
    value: T | null;
    failure: string;
  }>({ value: null, failure: '' });
  const latest = React.useRef(ask);
  latest.current = ask;
  React.useEffect(() => {
    let stale = false;
    latest.current().then(
      value => {
        if (!stale) setAnswer({ value, failure: '' });
      },
      (error: unknown) => {
        if (stale) return;
        const failure = error instanceof Error ? error.message : String(error);
        setAnswer(before => ({ ...before, failure }));
      }
    );
    return () => {
      stale = true;
    };
  }, [key]);
  return answer;
}
