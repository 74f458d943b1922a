/** The store for React components. */
import * as React from 'react';

import type { View } from '../api/types';
import type { AetherState, IAetherStore } from './store';

/** Whether two lists or flat objects hold the same things. */
export function shallowEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (
    typeof a !== 'object' ||
    typeof b !== 'object' ||
    a === null ||
    b === null
  ) {
    return false;
  }
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every(
      key =>
        key in b &&
        Object.is(
          (a as Record<string, unknown>)[key],
          (b as Record<string, unknown>)[key]
        )
    )
  );
}

/** What `select` picks from the state; renders again only if that differs from before. */
export function useStore<T>(
  store: IAetherStore,
  select: (state: AetherState) => T,
  equal: (a: T, b: T) => boolean = Object.is
): T {
  const seen = React.useRef<{ value: T } | null>(null);
  const snapshot = () => {
    const value = select(store.state);
    if (!seen.current || !equal(seen.current.value, value)) {
      seen.current = { value };
    }
    return seen.current.value;
  };
  const subscribe = React.useCallback(
    (changed: () => void) => store.subscribe(changed),
    [store]
  );
  return React.useSyncExternalStore(subscribe, snapshot);
}

/** The same for what depends on the view only; `null` until the first snapshot. */
export function useView<T>(
  store: IAetherStore,
  select: (view: View) => T,
  equal: (a: T, b: T) => boolean = Object.is
): T | null {
  return useStore<T | null>(
    store,
    ({ view }) => (view ? select(view) : null),
    (a, b) => (a === null || b === null ? a === b : equal(a, b))
  );
}

/** Asks for the notices of a process while the component is there. */
export function useWatch(store: IAetherStore, pid: number): void {
  React.useEffect(() => {
    const watching = store.watch(pid);
    return () => watching.dispose();
  }, [store, pid]);
}

/** The server's clock in seconds, read again every `everyMs` while `on`. */
export function useNow(store: IAetherStore, everyMs = 1000, on = true): number {
  const [now, setNow] = React.useState(() => store.now());
  React.useEffect(() => {
    if (!on) return undefined;
    const timer = window.setInterval(() => setNow(store.now()), everyMs);
    return () => window.clearInterval(timer);
  }, [store, everyMs, on]);
  return now;
}
