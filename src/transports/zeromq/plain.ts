/**
 * The plain wire: what peers speak that know nothing of packets, for instance a few lines of pyzmq.
 *
 *     publish:  [topic] [payload]              no terminator: a SUB filters by prefix, the core filters exactly
 *     push:     [payload]
 *     request:  [id] [] [payload]              DEALER -> REP; the reply likewise, the REP echoes the id
 *               [...] [] [payload]             at our ROUTER: whatever a REQ puts before the empty frame returns with the reply
 *     error:    {"error":{"code":...,"message":...}} in place of the reply's payload, see plain-error.ts
 *
 * One record is one message. There are no headers: what arrives gets those that the core needs (topic, correlation,
 * error-code), epoch 0 and sent time 0. A payload is whatever the codec of the bus makes, JSON unless told otherwise; only
 * error replies and naming functions look into it. Cancels and heartbeats have no plain form and are not sent.
 */
import { isUtf8 } from 'node:buffer';
import { BusError, messageOf } from '../../core/errors.ts';
import { MessageHeaders } from '../../core/headers.ts';
import { KIND_NUMBERS } from '../../core/kinds.ts';
import type { Kind } from '../../core/kinds.ts';
import type { SealedRecord } from '../../core/outgoing-packet.ts';
import { PacketError } from '../../core/packet-error.ts';
import type { PacketLimits } from '../../core/packet-layout.ts';
import { DecodedRecord } from '../../core/packet.ts';
import { topicFault } from '../../core/topics.ts';
import type { IncomingPacket } from '../../core/transport.ts';
import { DELIMITER } from './envelope.ts';
import { decodePlainError, encodePlainError, parseJson } from './plain-error.ts';

/** What a plain push or request is about, as it does not say itself: a topic, or a function of its JSON body. */
type PlainNaming = string | ((body: unknown) => string);

/** The topic of a plain push when the transport is given none; the default of `bus.push`. */
export const PLAIN_PUSH_TOPIC = 'results';

/** The topic of a plain request when the transport is given none; the default of `bus.request`. */
export const PLAIN_REQUEST_TOPIC = 'state';

/** The ids that we send are far shorter; a reply with a longer one answers nothing. */
const MAX_ID_BYTES = 1024;

/** Whether a record has a plain form; the others are only understood by native peers. */
export function hasPlainForm(record: SealedRecord): boolean {
  const kind = record.headerBlock[0];
  return (
    kind === KIND_NUMBERS.message ||
    kind === KIND_NUMBERS.request ||
    kind === KIND_NUMBERS.reply ||
    kind === KIND_NUMBERS.error
  );
}

/** `[topic, payload]`. */
export function encodePlainPublish(topic: string, record: SealedRecord): Uint8Array[] {
  return [Buffer.from(topic), record.payload];
}

/** Reads `[topic, payload]`. */
export function decodePlainPublish(frames: readonly Buffer[], limits: PacketLimits): IncomingPacket {
  const [topicFrame, payload] = frames;
  if (topicFrame === undefined || payload === undefined || frames.length !== 2) {
    throw new PacketError('frames', `${String(frames.length)} frames, not [topic, payload]`, 0);
  }
  if (!isUtf8(topicFrame)) throw new PacketError('topic', 'not UTF-8', 0);
  const topic = topicFrame.toString();
  expectTopic(topic);
  return arrived('message', new MessageHeaders(), payload, { topic, limits });
}

/** `[payload]`. */
export function encodePlainPush(record: SealedRecord): Uint8Array[] {
  return [record.payload];
}

/** Reads `[payload]` and names it. */
export function decodePlainPush(frames: readonly Buffer[], naming: PlainNaming, limits: PacketLimits): IncomingPacket {
  const payload = onlyFrame(frames);
  const headers = new MessageHeaders().set('topic', topicOf(naming, payload));
  return arrived('message', headers, payload, { limits });
}

/** `[id, '', payload]`: the id is the record's correlation, which the reply brings back. */
export function encodePlainRequest(record: SealedRecord): Uint8Array[] {
  return [Buffer.from(correlationOf(record)), DELIMITER, record.payload];
}

/** Reads a request's content, what follows the empty frame; `correlation` is what the reply will be known by. */
export function decodePlainRequest(
  content: readonly Buffer[],
  correlation: string,
  { naming, limits }: { readonly naming: PlainNaming; readonly limits: PacketLimits },
): IncomingPacket {
  const payload = onlyFrame(content);
  const headers = new MessageHeaders().set('topic', topicOf(naming, payload)).set('correlation', correlation);
  return arrived('request', headers, payload, { limits });
}

/** The payload of a reply, or the error object of an error reply. */
export function encodePlainReply(record: SealedRecord): Uint8Array {
  return record.headerBlock[0] === KIND_NUMBERS.error ? encodePlainError(record) : record.payload;
}

/** Reads `[id, '', payload]`: a reply, or an error reply when the payload is an error object. */
export function decodePlainReply(frames: readonly Buffer[], limits: PacketLimits): IncomingPacket {
  const [id, delimiter, payload] = frames;
  if (id === undefined || delimiter?.length !== 0 || payload === undefined || frames.length !== 3) {
    throw new PacketError('frames', `${String(frames.length)} frames, not [id, '', payload]`, 0);
  }
  if (id.length > MAX_ID_BYTES || !isUtf8(id)) throw new PacketError('header-value', 'not an id of ours', 0);
  const headers = new MessageHeaders().set('correlation', id.toString());
  const remote = decodePlainError(payload);
  if (remote === undefined) return arrived('reply', headers, payload, { limits });
  headers.set('error-code', remote.code);
  return arrived('error', headers, remote.payload, { limits });
}

/** The correlation of a request or reply: the core always sets it. */
export function correlationOf(record: SealedRecord): string {
  const correlation = record.headers.getText('correlation');
  if (correlation === undefined) throw new BusError('INVALID_HEADER', 'A request or reply has no header "correlation"');
  return correlation;
}

function arrived(
  kind: Kind,
  headers: MessageHeaders,
  payload: Buffer,
  about: { readonly topic?: string; readonly limits: PacketLimits },
): IncomingPacket {
  if (payload.length > about.limits.maxPayloadBytes) {
    throw new PacketError('payload-length', `a payload over ${String(about.limits.maxPayloadBytes)} bytes`, 0);
  }
  const records = [new DecodedRecord(payload, headers.encode(KIND_NUMBERS[kind]))];
  return { topic: about.topic, packet: { epoch: 0, firstSequence: 0, sentAtUs: 0, records } };
}

function onlyFrame(frames: readonly Buffer[]): Buffer {
  const [payload] = frames;
  if (payload === undefined || frames.length !== 1) {
    throw new PacketError('frames', `${String(frames.length)} frames of content, not one`, 0);
  }
  return payload;
}

function topicOf(naming: PlainNaming, payload: Buffer): string {
  if (typeof naming === 'string') return naming;
  const body = parseJson(payload.toString());
  if (body === undefined)
    throw new PacketError('topic', 'the option `topic` is a function, and the body is no JSON', 0);
  let topic: string;
  try {
    topic = naming(body);
  } catch (error) {
    throw new PacketError('topic', `the option \`topic\` threw: ${messageOf(error)}`, 0);
  }
  expectTopic(topic);
  return topic;
}

function expectTopic(topic: string): void {
  const fault = topicFault(topic);
  if (fault !== undefined) throw new PacketError('topic', fault, 0);
}
