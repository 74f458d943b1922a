/** The journal of one process for React: read when shown first, then kept by the feed. */
import * as React from 'react';

import type { AetherClient } from '../api/client';
import type { JournalRecord } from '../api/types';
import type { IAetherStore } from './store';
import { Transcript } from './transcript';

export interface ITranscript {
  readonly records: readonly JournalRecord[];
  readonly opened: boolean;
  readonly complete: boolean;
  readonly failure: Error | null;
  readonly retry: () => void;
}

/**
 * Reads the end first; with `whole` also the older pages behind it one by one, so that search, ruler and costs know all
 * of it.
 */
export function useTranscript(
  client: AetherClient,
  store: IAetherStore,
  pid: number,
  whole = true
): ITranscript {
  const transcript = React.useMemo(
    () => new Transcript(query => client.records(pid, query)),
    [client, pid]
  );
  const [, setTurn] = React.useState(0);
  const [tries, setTries] = React.useState(0);

  React.useEffect(() => {
    let stopped = false;
    let painting = false;
    const paint = () => {
      if (painting) return;
      painting = true;
      window.setTimeout(() => {
        painting = false;
        if (!stopped) setTurn(turn => turn + 1);
      }, 60);
    };
    const head = () => store.view?.processes[pid]?.head ?? 0;
    const onRecords = (
      _: IAetherStore,
      records: readonly JournalRecord[]
    ): void => {
      const mine = records.filter(record => record.pid === pid);
      if (mine.length > 0) void transcript.add(mine);
    };
    const onSnapshot = () => void transcript.catchUp(head());
    transcript.changed.connect(paint);
    store.recordsArrived.connect(onRecords);
    store.snapshotArrived.connect(onSnapshot);
    void (async () => {
      await store.ready;
      // Of a process that is not in the view (reaped long ago) the end is not known: read all of it.
      if (!transcript.opened) {
        await transcript.open(head() || Number.MAX_SAFE_INTEGER - 1);
      }
      while (whole && !stopped && (await transcript.older()));
    })();
    return () => {
      stopped = true;
      transcript.changed.disconnect(paint);
      store.recordsArrived.disconnect(onRecords);
      store.snapshotArrived.disconnect(onSnapshot);
    };
  }, [transcript, store, pid, whole, tries]);

  return {
    records: transcript.records,
    opened: transcript.opened,
    complete: transcript.complete,
    failure: transcript.failure,
    retry: React.useCallback(() => setTries(count => count + 1), [])
  };
}
