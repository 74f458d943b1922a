import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as figures from '../src/ui/figures';

function table<T extends unknown[]>(
  name: string,
  of: (...args: T) => string,
  rows: readonly (readonly [T, string])[]
): void {
  test(name, () => {
    for (const [args, expected] of rows) {
      assert.equal(of(...args), expected, JSON.stringify(args));
    }
  });
}

table('money', figures.money, [
  [[0.42], '$0.42'],
  [[18.42], '$18.42'],
  [[1204.4], '$1,204'],
  [[0.004], '<$0.01'],
  [[0], '$0.00'],
  [[0.42, false], '~$0.42']
]);

table('limits of money', figures.limitMoney, [
  [[2], '$2'],
  [[2.5], '$2.50'],
  [[0.001], '$0.001']
]);

table('the cost of a step', figures.stepMoney, [
  [[0.012], '$0.012'],
  [[0.0004], '<$0.001'],
  [[0], '$0.00'],
  [[1.5], '$1.50']
]);

table('tokens', figures.tokenCount, [
  [[940], '940'],
  [[18_400], '18.4k'],
  [[72_000], '72k'],
  [[1_100_000], '1.1M'],
  [[999_900], '1M']
]);

table('time spent', figures.duration, [
  [[38], '0m 38s'],
  [[252], '4m 12s'],
  [[4080], '1h 08m'],
  [[183_600], '2d 3h']
]);

table('how long a call took', figures.took, [
  [[0.004], '0.01 s'],
  [[41.24], '41.2 s'],
  [[98], '1m 38s']
]);

table('a wait has one unit', figures.wait, [
  [[40], '40s'],
  [[130], '2m'],
  [[7300], '2h'],
  [[200_000], '2d']
]);

table('the age of a request', figures.age, [
  [[18], '18s'],
  [[72], '1m 12s'],
  [[660], '11m']
]);

table('steps', figures.steps, [
  [[12, 50], '12/50'],
  [[52, null], '52']
]);

test('the clock shows the day only if it is another', () => {
  const at = new Date(2026, 3, 14, 14, 32, 20).getTime() / 1000;
  assert.equal(figures.clock(at, at + 60), '14:32');
  assert.equal(figures.clock(at, at + 60, true), '14:32:20');
  assert.equal(figures.clock(at, at + 86_400), '14 Apr');
});
