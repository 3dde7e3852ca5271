/** `tracebus/testing`: a bus for the tests of an application, in memory and without ports. */
export { testBus } from './test-bus.ts';
export type { RecordedMessage, TestBus, TestBusOptions } from './test-bus.ts';
