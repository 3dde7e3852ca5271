/**
 * A responder without manners, on a bare ROUTER: it answers each request after the delay that its body asks for, whether or not
 * anybody still waits, every tenth one twice, and beside every tenth one it sends a reply to a request that nobody made.
 * `{ stats: true }` says how many requests came and how many replies went out, and how many are still to go.
 */
import { Router } from 'zeromq';
import { encodeHeaderBlock, MessageHeaders } from '../../../src/core/headers.ts';
import { KIND_NUMBERS, KINDS_BY_NUMBER } from '../../../src/core/kinds.ts';
import { decodePacket, encodePacket } from '../../../src/core/packet.ts';
import { onCommand, say } from './talk.ts';

const EVERY = 10;

const socket = new Router({ sendHighWaterMark: 0, receiveHighWaterMark: 0, sendTimeout: 0 });
socket.bindSync('tcp://127.0.0.1:*');
let requests = 0;
let replies = 0;
let pending = 0;
let sequence = 1;

async function reply(routingId: Buffer, correlation: string, payload: Uint8Array): Promise<void> {
  const headers = MessageHeaders.from({ topic: 'state', correlation });
  const record = { headerBlock: encodeHeaderBlock(KIND_NUMBERS.reply, headers), payload };
  const stamp = { epoch: 1, firstSequence: sequence++, sentAtUs: Date.now() * 1000 };
  await socket.send([routingId, '', ...encodePacket([record], stamp)]);
  replies++;
}

async function answer(routingId: Buffer, correlation: string, payload: Buffer): Promise<void> {
  const nth = requests;
  const { delayMs } = JSON.parse(payload.toString()) as { delayMs: number };
  pending++;
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  await reply(routingId, correlation, payload);
  if (nth % EVERY === 0) await reply(routingId, correlation, payload);
  if (nth % EVERY === 1) await reply(routingId, `nobody-${correlation}`, payload);
  pending--;
}

onCommand(() => {
  say({ requests, replies, pending });
});
say({ endpoint: socket.lastEndpoint });
for await (const [routingId, , ...frames] of socket) {
  if (routingId === undefined) continue;
  for (const { kind, headers, payload } of decodePacket(frames).records) {
    if (KINDS_BY_NUMBER[kind] !== 'request') continue;
    requests++;
    void answer(routingId, headers.getText('correlation') ?? '', Buffer.from(payload));
  }
}
