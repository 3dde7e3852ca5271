/** What one measurement asks of a system: plain data, handed to the peer processes as JSON. */

/** How messages travel. */
export type Pattern = 'publish' | 'push' | 'request';

/** The work, the same for every row of a workload unless the row says otherwise. */
export interface Load {
  readonly pattern: Pattern;
  /** `json` bodies are encoded and parsed; `bytes` bodies are handed over as they are. */
  readonly body: 'json' | 'bytes';
  /** About so many bytes of payload. */
  readonly bytes: number;
  readonly topics: number;
  /** So many messages in a row have the same topic; 0 draws the topic of each at random. */
  readonly run: number;
  /** Receiving processes. */
  readonly receivers: number;
  /** Requests in flight. */
  readonly inFlight: number;
  /** The sender stands still for so long before each message; 0 sends as fast as it can. */
  readonly idleMs: number;
}

/** What differs between rows of one system. Each system reads what it knows. */
export interface Variant {
  /** The SDK: none, started and nothing sampled, sampled with a null exporter, sampled and sent to a local sink. */
  readonly telemetry?: 'none' | 'not-sampled' | '1%' | '100%' | '100%-otlp';
  /** Histograms of durations: none, `histogram.record`, or the bus's own buckets behind a metric producer. @default 'buckets' */
  readonly durations?: 'off' | 'record' | 'buckets';
  /** Pass-through middleware on both sides. */
  readonly middleware?: number;
  /** Subscriptions of the receiver, of which one matches. */
  readonly subscriptions?: number;
  readonly order?: 'global' | 'topic';
  readonly pack?: number;
  /** A step over the payload, or a transport that encrypts: see peers/secured.ts. */
  readonly secured?: 'signed' | 'encrypted' | 'curve';
  /** Raw sockets: frames per message. */
  readonly frames?: 1 | 3;
  /** Raw sockets for requests. */
  readonly sockets?: 'req-rep' | 'dealer-router';
  /** NATS: whether a traceparent travels as a header. */
  readonly headers?: boolean;
}

/** The part that one peer process plays. */
export type Role = 'publish' | 'subscribe' | 'push' | 'pull' | 'request' | 'respond';

/** What a peer process is told when it starts. */
export interface Spec {
  readonly system: string;
  readonly role: Role;
  readonly load: Load;
  readonly variant: Variant;
  /** Where the other side, or the broker, is. */
  readonly address: string;
  /** Where the OTLP sink listens. */
  readonly sink: string;
  /** The folder whose node_modules hold the packages that are no dependency of the project. */
  readonly packages: string;
}
