/** `tracebus/core`: the bus and its contracts. Loads no native code. */
export { Bus } from './bus.ts';
export type {
  BusDescription,
  BusStats,
  HandlerOptions,
  MessagesOptions,
  PullOptions,
  ReadyOptions,
  RequestOptions,
  SendOptions,
  SubscribeOptions,
} from './call-options.ts';
export { systemClock } from './clock.ts';
export type { Clock, ClockTimer } from './clock.ts';
export { BusError, ERROR_CODES, errorType } from './errors.ts';
export type { BusErrorCode, BusErrorDetails, ErrorCodeFacts } from './errors.ts';
export { packetLimits } from './packet-layout.ts';
export type { PacketLimits } from './packet-layout.ts';
export { decodePacket, decodePublishedPacket, encodePacket } from './packet.ts';
export { PacketError } from './packet-error.ts';
export type * from './index-types.ts';
