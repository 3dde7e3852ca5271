/** Packets for the conformance suite: what goes in, and what came out in a form that can be compared. */
import { encodeHeaderBlock, MessageHeaders } from '../../../src/core/headers.ts';
import type { HeadersInit } from '../../../src/core/headers.ts';
import { KIND_NUMBERS } from '../../../src/core/kinds.ts';
import type { Kind } from '../../../src/core/kinds.ts';
import { OutgoingPacket } from '../../../src/core/outgoing-packet.ts';
import type { SealedRecord } from '../../../src/core/outgoing-packet.ts';
import type { IncomingPacket } from '../../../src/core/transport.ts';

export interface RecordInit {
  readonly kind?: Kind;
  readonly headers?: HeadersInit;
  readonly payload: string | Uint8Array;
}

/** Numbers the packets of one sender: a stream of its own. */
export class Sealer {
  readonly epoch: number = 1 + Math.floor(Math.random() * 2 ** 40);
  #sequence = 0;

  seal(topic: string | undefined, ...inits: (string | RecordInit)[]): OutgoingPacket {
    const records = inits.map((init) => sealed(typeof init === 'string' ? { payload: init } : init));
    const firstSequence = this.#sequence;
    this.#sequence += records.length;
    return new OutgoingPacket(topic, records, { epoch: this.epoch, firstSequence, sentAtUs: Date.now() * 1000 });
  }
}

function sealed({ kind = 'message', headers = {}, payload }: RecordInit): SealedRecord {
  const table = MessageHeaders.from(headers);
  return {
    headers: table,
    headerBlock: encodeHeaderBlock(KIND_NUMBERS[kind], table),
    payload: typeof payload === 'string' ? Buffer.from(payload) : payload,
  };
}

/** A packet that no decoder can read, for any transport that sends what `frames` says. */
export class GarbagePacket extends OutgoingPacket {
  constructor(topic?: string) {
    super(topic, new Sealer().seal(topic, 'never encoded').records, { epoch: 1, firstSequence: 0, sentAtUs: 0 });
  }

  override frames(): Uint8Array[] {
    return [Buffer.from('neither magic nor length')];
  }
}

/** The payloads of a packet, as text. */
export function textsOf({ packet }: IncomingPacket): string[] {
  return packet.records.map((record) => record.payload.toString());
}

/** What became of the messages of one test; see `accounting`. */
interface Accounting {
  readonly accepted: number;
  readonly seen: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly unexpected: number;
}

/** Compares what the transport accepted with what was seen, each message a text of its own. */
export function accounting(accepted: readonly string[], seen: readonly string[]): Accounting {
  const expected = new Set(accepted);
  const distinct = new Set(seen);
  return {
    accepted: accepted.length,
    seen: seen.length,
    lost: accepted.filter((text) => !distinct.has(text)).length,
    duplicated: seen.length - distinct.size,
    unexpected: seen.filter((text) => !expected.has(text)).length,
  };
}
