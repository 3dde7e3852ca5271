/** Where the observable metrics come from: which count or gauge of a bus's counters answers for which metric. */
import type { Counters, Series } from '../core/counters.ts';
import type { CounterMetric, GaugeMetric } from '../core/semconv.ts';

/** The series of each counter. */
export const COUNTS: Readonly<Record<CounterMetric, (counters: Counters) => Iterable<Series>>> = {
  messagesSent: ({ sent }) => sent.all(),
  messagesReceived: ({ received }) => received.all(),
  errors: ({ errors }) => errors.all(),
  outboundDropped: ({ outboundDropped }) => outboundDropped.all(),
  inboundDropped: ({ inboundDropped }) => inboundDropped.all(),
  backpressureEvents: ({ backpressure }) => backpressure.all(),
  requestTimeouts: ({ requestTimeouts }) => requestTimeouts.all(),
  failedBindCount: ({ failedBinds }) => failedBinds.all(),
  unrouted: ({ unrouted }) => unrouted.all(),
  gaps: ({ gaps }) => gaps.all(),
  lateReplies: ({ lateReplies }) => lateReplies.all(),
  retries: ({ retries }) => retries.all(),
  subscribersLeftBehind: ({ subscribersLeftBehind }) => subscribersLeftBehind.all(),
  reconnects: ({ reconnects }) => reconnects.all(),
  coolDowns: ({ coolDowns }) => coolDowns.all(),
  handshakeFailures: ({ handshakeFailures }) => handshakeFailures.all(),
  noHandler: ({ noHandler }) => noHandler.all(),
  unverified: ({ unverified }) => unverified.all(),
  // Attempts: what was accepted, and what was given up, with its error.
  sentMessages: ({ sent, outboundDropped }) => [...sent.all(), ...outboundDropped.all()].filter(isSend),
  consumedMessages: ({ received }) => [...received.all()].filter(isDelivery),
};

/** The value of each gauge. */
export const GAUGES: Readonly<Record<GaugeMetric, (counters: Counters) => number>> = {
  activeConnections: (counters) => counters.activeConnections(),
  inFlightHandlers: (counters) => counters.inFlightHandlers(),
  queueDepth: (counters) => counters.queuedMessages(),
  coolingDown: (counters) => counters.coolingDown(),
};

function isSend({ operation }: Series): boolean {
  return operation === 'publish' || operation === 'push';
}

function isDelivery({ operation }: Series): boolean {
  return operation === 'subscribe' || operation === 'pull';
}
