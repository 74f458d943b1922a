/** How far a plan is; the twin of `model/plan.py`. Pure. */
import type { Plan, PlanStep } from '../api/types';

/** How many of the steps that have none below them are done, and how many there are; dropped ones do not count. */
export function progress(plan: Plan): { done: number; steps: number } {
  let done = 0;
  let steps = 0;
  const walk = (below: readonly PlanStep[]): void => {
    for (const each of below) {
      if (each.steps?.length) {
        walk(each.steps);
      } else if (each.status !== '-') {
        steps += 1;
        if (each.status === 'x') done += 1;
      }
    }
  };
  walk(plan.steps ?? []);
  return { done, steps };
}
