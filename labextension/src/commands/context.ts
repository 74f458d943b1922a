/** What the commands work with, and how they tell that something failed. */
import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

import { AetherError } from '../api/client';
import type { AetherClient } from '../api/client';
import type { IAetherStore } from '../state/store';

export interface CommandContext {
  readonly client: AetherClient;
  readonly store: IAetherStore;
  readonly trans: TranslationBundle;
}

/** The sentence of an error. */
export function sentence(error: unknown): string {
  return error instanceof AetherError
    ? error.detail
    : error instanceof Error
      ? error.message
      : String(error);
}

/** Runs a deed; a failure becomes a notification. Returns whether it went well. */
export async function attempt(deed: () => Promise<unknown>): Promise<boolean> {
  try {
    await deed();
    return true;
  } catch (error) {
    Notification.error(sentence(error), { autoClose: 8000 });
    return false;
  }
}

/** Tells which of many failed, each PID with its reason. */
export function tellFailures(
  failed: Readonly<Record<number, string>>,
  trans: TranslationBundle
): void {
  const lines = Object.entries(failed).map(([pid, why]) => `${pid}: ${why}`);
  if (lines.length === 0) return;
  Notification.warning(
    trans._n(
      '%2 was not reached. %3',
      '%1 were not reached. %3',
      lines.length,
      Object.keys(failed).join(', '),
      lines.join(' · ')
    ),
    { autoClose: 12000 }
  );
}
