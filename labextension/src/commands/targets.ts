/** Which processes the arguments of a command mean. */
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import type { Process } from '../api/types';
import type { IAetherStore } from '../state/store';

/** The PIDs of `pid` or `pids`, those that are known, in the order given. */
export function targets(
  args: ReadonlyPartialJSONObject,
  store: IAetherStore
): Process[] {
  const given = Array.isArray(args.pids) ? args.pids : [args.pid];
  const known = store.view?.processes ?? {};
  return given
    .map(pid => known[Number(pid)])
    .filter((process): process is Process => process !== undefined);
}
