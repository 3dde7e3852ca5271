/** The contracts and types of `tracebus/core`. */
export type { LinkDescription } from './channels.ts';
export type { Count, Counters, DocumentedMetrics, Operation, Series } from './counters.ts';
export type { EndpointChoice } from './endpoint-roles.ts';
export type { Gap } from './gap-detector.ts';
export type { HeadersInit, HeaderValue, MessageHeaders } from './headers.ts';
export type { Kind, MessagePattern } from './kinds.ts';
export type { Overflow } from './limiter.ts';
export type { Logger, LogLevel } from './logger.ts';
export type { Admission, Middleware, MiddlewareFunction, MiddlewareHost, Next, Release, Stage } from './middleware.ts';
export type { BusOptions, CoreBusOptions, EndpointPattern, EndpointRole, Endpoints } from './options.ts';
export type { MixedTopics, OutgoingPacket, PacketRoute, SealedRecord } from './outgoing-packet.ts';
export type { DecodedPacket, DecodedRecord, OutgoingRecord, OutgoingRun, PacketRun, PacketStamp } from './packet.ts';
export type { PacketErrorReason } from './packet-error.ts';
export type { Delivery, Message, ReceiveContext, ReceiveInit } from './receive-context.ts';
export type { Failure } from './reporter.ts';
export type { CallWatcher, OutChannel, SendContext, SendInit } from './send-context.ts';
export type { CloseOptions, CloseReport } from './shut-down.ts';
export type { AnyHandler } from './subscriber.ts';
export type { Subscription } from './subscription.ts';
export type * from './transport.ts';
export type {
  AnyTopics,
  Call,
  CallName,
  EventBody,
  EventName,
  Handler,
  Matching,
  PatternBody,
  PatternReply,
  PatternRequest,
  ReplyBody,
  RequestBody,
  ValidPattern,
} from './topic-types.ts';
