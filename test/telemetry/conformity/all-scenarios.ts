/** All scenarios, for the tests that play them. */
import { FAILING_SCENARIOS } from './failing-scenarios.ts';
import type { Scenario } from './scenario.ts';
import { WORKING_SCENARIOS } from './scenarios.ts';
import { SECURED_SCENARIOS } from './secured-scenarios.ts';
import { TRACING_SCENARIOS } from './tracing-scenarios.ts';

export const SCENARIOS: readonly Scenario[] = [
  ...WORKING_SCENARIOS,
  ...TRACING_SCENARIOS,
  ...FAILING_SCENARIOS,
  ...SECURED_SCENARIOS,
];
