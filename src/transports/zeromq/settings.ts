/**
 * The options of `zeromq()` after they were checked, in the form that every file of this folder takes, and the socket options
 * that all sockets share.
 */
import type { Context } from 'zeromq';
import type { PacketLimits } from '../../core/packet-layout.ts';
import type { LinkSpec } from '../../core/transport.ts';
import type { Curve, CurveSocketOptions } from './curve.ts';
import { parseEndpoint } from './endpoint.ts';

/** The checked options of one `zeromq()` transport. */
export interface ZeromqSettings {
  /** The Context of its sockets; a function, so that it is made with the first socket. */
  readonly context: () => Context;
  readonly wire: 'native' | 'plain';
  /** Plain wire: the topic of an incoming push or request, which carries none. Undefined: `results` and `state`. */
  readonly topic: string | ((body: unknown) => string) | undefined;
  /** The largest frame that is sent, or accepted by a binding socket, in bytes. */
  readonly maxMessageBytes: number;
  /** What the decoder accepts; its `maxPayloadBytes` is `maxMessageBytes`. */
  readonly limits: PacketLimits;
  /** Prefixes that a publisher keeps account of. */
  readonly maxSubscriptions: number;
  /** Connections that wait to be accepted. */
  readonly backlog: number;
  /** Permissions of the socket file of a bound ipc path. */
  readonly ipcMode: number;
  readonly curve: Curve | undefined;
  /** Binding beyond loopback without CURVE is wanted. */
  readonly insecure: boolean;
  readonly reconnectMs: number;
  readonly reconnectMaxMs: number;
  readonly handshakeTimeoutMs: number;
  readonly connectTimeoutMs: number;
  /** 0 up to 1, for jitter. */
  readonly random: () => number;
}

/** Socket options that every socket of a link has, whatever its type. */
interface CommonOptions {
  readonly context: Context;
  readonly linger: number;
  readonly reconnectInterval: number;
  readonly reconnectMaxInterval: number;
  readonly handshakeInterval: number;
  readonly connectTimeout: number;
  readonly tcpKeepalive: number;
  readonly tcpKeepaliveIdle: number;
  readonly tcpKeepaliveInterval: number;
  readonly tcpKeepaliveCount: number;
  readonly maxMessageSize: number;
  readonly ipv6: boolean;
  readonly backlog: number;
}

/** See {@link commonSocketOptions}. */
export type CommonSocketOptions = CommonOptions & (CurveSocketOptions | object);

/**
 * The options that all sockets share. A half-open connection is found by TCP keepalive (60 s idle, then 3 probes 10 s apart);
 * ZMTP heartbeats stay off: with a full receive queue they abort the process (libzmq#4830).
 */
export function commonSocketOptions(spec: LinkSpec, settings: ZeromqSettings): CommonSocketOptions {
  return {
    context: settings.context(),
    linger: spec.closeLingerMs,
    reconnectInterval: settings.reconnectMs,
    reconnectMaxInterval: settings.reconnectMaxMs,
    handshakeInterval: settings.handshakeTimeoutMs,
    connectTimeout: settings.connectTimeoutMs,
    tcpKeepalive: 1,
    tcpKeepaliveIdle: 60,
    tcpKeepaliveInterval: 10,
    tcpKeepaliveCount: 3,
    // Only where it binds: a connecting socket that meets a larger message goes deaf for ever, a binding one drops the peer.
    maxMessageSize: spec.mode === 'bind' ? settings.maxMessageBytes : -1,
    ipv6: parseEndpoint(spec.endpoint).ipv6,
    backlog: settings.backlog,
    ...settings.curve?.socketOptions(spec.mode, spec.endpoint),
  };
}
