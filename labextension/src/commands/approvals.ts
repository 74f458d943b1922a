/** `aether:approval-*`: what keys do to the request that has the focus. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';

import { type ApprovalKey, pressApproval } from '../ui';
import { CommandIDs } from './ids';
import { keyIsHeld } from './keys';

/** Adds them. A key that is held down does nothing: each decision is a press of its own. */
export function addApprovalCommands(
  commands: CommandRegistry,
  trans: TranslationBundle
): void {
  const press = (key: ApprovalKey) => {
    if (!keyIsHeld()) pressApproval(document.activeElement, key);
  };
  const keys: readonly (readonly [string, ApprovalKey, string])[] = [
    [CommandIDs.approve, 'approve', trans.__('Approve, or Give More')],
    [CommandIDs.readApproval, 'read', trans.__('Read On')],
    [CommandIDs.editApproval, 'edit', trans.__('Edit the Call')],
    [CommandIDs.refuse, 'refuse', trans.__('Refuse, or Finish Here')]
  ];
  for (const [id, key, label] of keys) {
    commands.addCommand(id, { label, execute: () => press(key) });
  }
  commands.addCommand(CommandIDs.answer, {
    label: trans.__('Choose an Answer'),
    execute: ({ option }) => press(`option-${Number(option)}`)
  });
}
