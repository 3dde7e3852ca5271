/** Everything that a bus does, on both transports, under an SDK in memory: the checker must find nothing. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SCENARIOS } from './all-scenarios.ts';
import { check } from './check.ts';
import { announced, played, recorded } from './playing.ts';
import type { System } from './stage.ts';

const SYSTEMS: readonly System[] = ['memory', 'zeromq'];

for (const system of SYSTEMS) {
  describe(`the telemetry over ${system} keeps to the conventions`, () => {
    for (const scenario of SCENARIOS) {
      if (scenario.systems?.includes(system) === false) continue;
      test(scenario.name, async () => {
        const telemetry = await played(scenario, system);
        assert.deepEqual(recorded(telemetry, scenario), announced(scenario), 'it shows what it is meant to show');
        assert.deepEqual(check(telemetry, scenario), []);
      });
    }
  });
}
