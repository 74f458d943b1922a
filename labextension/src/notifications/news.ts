/** What of the feed is news for a person: a new wait, an end, a failure. Pure. */
import type { Approval, JournalRecord, Process } from '../api/types';

export type Wanted = 'waiting' | 'all' | 'none';

export type News =
  | { readonly kind: 'asks'; readonly approval: Approval }
  | { readonly kind: 'done'; readonly process: Process }
  | { readonly kind: 'failed'; readonly process: Process };

/** The news in a batch of records, given the processes after it. Each request is told once. */
export function newsOf(
  records: readonly JournalRecord[],
  processes: Readonly<Record<number, Process>>,
  wanted: Wanted
): News[] {
  if (wanted === 'none') return [];
  const found: News[] = [];
  for (const { pid, event } of records) {
    if (event.type === 'approval.requested') {
      found.push({ kind: 'asks', approval: event.approval });
    } else if (
      event.type === 'approval.decided' ||
      event.type === 'approval.closed'
    ) {
      // Asked and answered within one batch: nobody needs to come.
      const at = found.findIndex(
        news => news.kind === 'asks' && news.approval.id === event.approval_id
      );
      if (at >= 0) found.splice(at, 1);
    } else if (event.type === 'process.exited' && wanted === 'all') {
      const process = processes[pid];
      // Who ended it by hand knows.
      if (!process || ['killed', 'terminated'].includes(event.status.reason)) {
        continue;
      }
      found.push({
        kind: event.status.code === 0 ? 'done' : 'failed',
        process
      });
    }
  }
  return found;
}
