/** `aether:extend-limits`: gives agents more steps. */
import type { CommandRegistry } from '@lumino/commands';

import { sentence, tellFailures, type CommandContext } from './context';
import { targets } from './targets';

export const MORE_STEPS = 25;

export function extendCommand({
  client,
  store,
  trans
}: CommandContext): CommandRegistry.ICommandOptions {
  const steps = (value: unknown) =>
    typeof value === 'number' && value > 0 ? value : MORE_STEPS;
  return {
    label: args => trans.__('+%1 steps', steps(args.steps)),
    isEnabled: args =>
      targets(args, store).some(
        process => process.state !== 'ZOMBIE' && process.limits.steps !== null
      ),
    execute: async args => {
      const processes = targets(args, store).filter(
        process => process.state !== 'ZOMBIE' && process.limits.steps !== null
      );
      const failed: Record<number, string> = {};
      await Promise.all(
        processes.map(async ({ pid }) => {
          try {
            await client.extend(pid, { steps: steps(args.steps) });
          } catch (error) {
            failed[pid] = sentence(error);
          }
        })
      );
      tellFailures(failed, trans);
    }
  };
}
