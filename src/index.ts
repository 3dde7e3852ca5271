/** `tracebus`: the message bus with its usual parts. */
export { MessageBus } from './message-bus.ts';
export type { MessageBusConfig, PortNumbers } from './message-bus.ts';
export { Ports, Topics } from './ports.ts';
export * from './core/index.ts';
