import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BusError } from '../../src/core/errors.ts';
import { MessageHeaders } from '../../src/core/headers.ts';
import type { OutgoingPacket } from '../../src/core/outgoing-packet.ts';
import { RECORD_OVERHEAD_BYTES } from '../../src/core/packet-layout.ts';
import type { Slot, SlotOwner } from '../../src/core/slot.ts';
import { Streams } from '../../src/core/streams.ts';
import type { PacketSink } from '../../src/core/transport.ts';
import { PACK_BYTES } from '../../src/core/packing.ts';
import { Writer } from '../../src/core/writer.ts';
import type { WriterOptions } from '../../src/core/writer.ts';
import { Turn } from '../../src/core/turn.ts';
import { until } from '../transports/conformance/waiting.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';

/** A sink that writes down what it takes: `topic first-sequence: payload payload ...`. */
class Sink implements PacketSink {
  readonly packets: string[] = [];
  readonly waited: number[] = [];
  /** What it answers: room, no room, or a failure. */
  answer: (packet: OutgoingPacket) => boolean | Promise<boolean> = () => true;

  async #settled(packet: OutgoingPacket, answer: Promise<boolean>): Promise<boolean> {
    const taken = await answer;
    if (taken) this.#note(packet);
    return taken;
  }

  trySend(packet: OutgoingPacket, waitedMs: number): boolean | Promise<boolean> {
    this.waited.push(waitedMs);
    const answer = this.answer(packet);
    if (typeof answer !== 'boolean') return this.#settled(packet, answer);
    if (answer) this.#note(packet);
    return answer;
  }

  #note({ topic, records, stamp, mixed }: OutgoingPacket): void {
    const payloads = records.map(({ payload }) => Buffer.from(payload).toString().slice(0, 8));
    if (mixed !== undefined) {
      const left = [...payloads];
      const runs = mixed.runs.map(
        (run) => `${run.topic} ${String(run.firstSequence)}: ${left.splice(0, run.count).join(' ')}`,
      );
      this.packets.push(`[${runs.join(' | ')}]${left.join()}`);
      return;
    }
    this.packets.push(`${topic ?? '-'} ${String(stamp.firstSequence)}: ${payloads.join(' ')}`);
  }
}

/** A sink whose topics have the route that is their first letter: `x` none, `_` never asked. */
class RoutingSink extends Sink {
  /** Who has no packets of several topics. */
  exact = 'x';
  readonly #routes = new Map<string, object>();

  routeOf(topic: string): object | undefined {
    assert.ok(!topic.startsWith('_'), topic);
    const key = topic[0]!;
    if (this.exact.includes(key)) return undefined;
    const route = this.#routes.get(key) ?? { key };
    this.#routes.set(key, route);
    return route;
  }
}

/** Writes down what becomes of a slot. */
class Owner implements SlotOwner {
  readonly log: string[] = [];

  onQueued(slot: Slot): void {
    this.log.push(`queued ${text(slot)}`);
  }

  onSent(slot: Slot): void {
    this.log.push(`sent ${text(slot)}`);
  }

  onFailed(slot: Slot, error: unknown): void {
    this.log.push(`failed ${text(slot)} ${error instanceof BusError ? error.code : String(error)}`);
  }
}

function text(slot: Slot): string {
  return Buffer.from(slot.payload).toString().slice(0, 8);
}

/** A turn in which another writer of the bus has something that is to leave: so no message leaves alone. */
function busyTurn(): Turn {
  const turn = new Turn();
  turn.leaving = 1;
  return turn;
}

/** A writer of published messages with its sink. Its messages wait for the end of the turn, unless a `turn` is given. */
function desk(options: Partial<WriterOptions> = {}) {
  const clock = new FakeClock();
  const streams = new Streams();
  const writer = new Writer(
    {
      hwm: 1000,
      maxBytes: 1 << 26,
      maxRecords: 8192,
      order: 'global',
      byTopic: true,
      clock,
      turn: busyTurn(),
      ...options,
    },
    streams,
  );
  const sink = new Sink();
  const owner = new Owner();
  writer.attach(sink);
  const fill = (slot: Slot, payload: string | Uint8Array): boolean => {
    slot.headers = new MessageHeaders();
    slot.headerBlock = slot.headers.encode(1);
    slot.payload = typeof payload === 'string' ? Buffer.from(payload) : payload;
    slot.owner = owner;
    return writer.fill(slot);
  };
  const write = (topic: string, payload: string | Uint8Array): Slot => {
    const slot = writer.reserve(topic);
    fill(slot, payload);
    return slot;
  };
  return { clock, streams, writer, sink, owner, fill, write };
}

/** The same in front of a sink that takes packets of several topics. */
function mixingDesk(options: Partial<WriterOptions> = {}) {
  const made = desk(options);
  const sink = new RoutingSink();
  made.writer.attach(sink);
  return { ...made, sink };
}

/** A payload of so many bytes in the packet, its overhead included, that begins with its name. */
function sized(name: string, bytes: number): Buffer {
  const payload = Buffer.alloc(bytes - RECORD_OVERHEAD_BYTES - 1, '.');
  payload.write(`${name} `);
  return payload;
}

test('what is written in one turn of the event loop is one packet, which leaves when the turn ends', async () => {
  const { write, sink, clock } = desk();
  for (const name of ['a', 'b', 'c']) write('price.tick', name);
  await Promise.resolve();
  assert.deepEqual(sink.packets, [], 'not before the turn is over');
  await turns(1);
  assert.deepEqual(sink.packets, ['price.tick 1: a b c']);
  assert.equal(clock.pending, 0, 'there is no timer');
});

test('what is written across awaits of the same turn shares the packet too', async () => {
  const { write, sink } = desk();
  for (const name of ['a', 'b', 'c']) {
    write('price.tick', name);
    await Promise.resolve();
  }
  await turns(1);
  assert.deepEqual(sink.packets, ['price.tick 1: a b c']);
});

test('where others are to leave before it a lone message leaves at the end of its turn, and the next turn begins a new packet', async () => {
  const { write, sink } = desk();
  write('price.tick', 'a');
  await turns(1);
  write('price.tick', 'b');
  await turns(1);
  assert.deepEqual(sink.packets, ['price.tick 1: a', 'price.tick 2: b']);
});

test('a record of another topic seals the packet, so that the order across topics holds', async () => {
  const { write, sink } = desk();
  for (const name of ['x1', 'x2', 'y1', 'x3', 'y2', 'y3']) write(name[0]!, name);
  await turns();
  assert.deepEqual(sink.packets, ['x 1: x1 x2', 'y 1: y1', 'x 3: x3', 'y 2: y2 y3']);
});

test('under order topic each topic packs by itself', async () => {
  const { write, sink } = desk({ order: 'topic' });
  for (const name of ['x1', 'x2', 'y1', 'x3', 'y2', 'y3']) write(name[0]!, name);
  await turns();
  assert.deepEqual(sink.packets, ['x 1: x1 x2 x3', 'y 1: y1 y2 y3']);
});

test('under order topic a message whose chain still runs holds back its own topic alone', async () => {
  const { writer, write, fill, sink } = desk({ order: 'topic' });
  const slow = writer.reserve('x');
  write('x', 'x2');
  write('y', 'y1');
  await turns();
  assert.deepEqual(sink.packets, ['y 1: y1']);
  fill(slow, 'x1');
  await turns();
  assert.deepEqual(sink.packets, ['y 1: y1', 'x 1: x1 x2']);
});

test('records without a topic of their own share packets whatever their topic: requests and replies', async () => {
  const { write, sink } = desk({ byTopic: false });
  for (const name of ['x1', 'y1', 'x2']) write(name[0]!, name);
  await turns();
  assert.deepEqual(sink.packets, ['- 1: x1 y1 x2']);
});

test('maxRecords 1 gives each message a packet of its own, as push deals them one by one', async () => {
  const { write, sink } = desk({ byTopic: false, maxRecords: 1 });
  for (const name of ['a', 'b', 'c']) write('t', name);
  await turns();
  assert.deepEqual(sink.packets, ['- 1: a', '- 2: b', '- 3: c']);
});

test('maxRecords n packs up to n', async () => {
  const { write, sink } = desk({ byTopic: false, maxRecords: 2 });
  for (const name of ['a', 'b', 'c', 'd', 'e']) write('t', name);
  await turns();
  assert.deepEqual(sink.packets, ['- 1: a b', '- 3: c d', '- 5: e']);
});

test('a packet of about 32 KB leaves within the turn, and what is left waits for its end', async () => {
  const { write, sink } = desk();
  for (let index = 0; index < 70; index++) write('t', sized(String(index), 1024));
  const sizes = (): number[] => sink.packets.map((packet) => packet.split(': ')[1]!.split(' ').length);
  await Promise.resolve();
  assert.deepEqual(
    sink.packets.map((packet) => packet.split(':')[0]),
    ['t 1', 't 33'],
    'two full packets have left',
  );
  await turns();
  assert.equal(sink.packets.length, 3);
  assert.deepEqual(sink.packets[2]!.split(':')[0], 't 65');
  assert.ok(sizes().length === 3);
});

test('a large message is a packet of its own, so that small neighbours do not share its fate', async () => {
  const { write, sink, owner } = desk({ byTopic: false });
  sink.answer = ({ records }) => {
    if (records.some(({ payload }) => payload.length > PACK_BYTES)) throw new BusError('MESSAGE_TOO_LARGE', 'no');
    return true;
  };
  write('t', 'before');
  write('t', sized('large', 2 * PACK_BYTES));
  write('t', 'after');
  await turns();
  assert.deepEqual(sink.packets, ['- 1: before', '- 2: after']);
  assert.deepEqual(
    owner.log.filter((line) => !line.startsWith('queued')),
    ['sent before', 'failed large .. MESSAGE_TOO_LARGE', 'sent after'],
  );
});

test('while the sink has no room messages go on packing, and they leave in their order', async () => {
  const { write, sink } = desk();
  let room = false;
  sink.answer = () => room;
  write('t', 'a');
  await turns();
  write('t', 'b');
  await turns();
  write('t', 'c');
  await turns();
  assert.deepEqual(sink.packets, []);
  room = true;
  await until(() => sink.packets.length > 0, 'the packet');
  assert.deepEqual(sink.packets, ['t 1: a b c']);
});

test('while a send is pending messages pack behind it', async () => {
  const { write, sink } = desk();
  let take!: (taken: boolean) => void;
  sink.answer = () => new Promise((resolve) => (take = resolve));
  write('t', 'a');
  await turns();
  for (const name of ['b', 'c']) {
    write('t', name);
    await turns();
  }
  sink.answer = () => true;
  take(true);
  await turns();
  assert.deepEqual(sink.packets, ['t 1: a', 't 2: b c']);
});

test('the sink is told how long a packet has been offered, on the injected clock', async () => {
  const { write, sink, clock } = desk();
  let room = false;
  sink.answer = () => room;
  write('t', 'a');
  await turns();
  clock.advance(40);
  await until(() => sink.waited.at(-1) === 40, 'another offer');
  room = true;
  await until(() => sink.packets.length === 1, 'the packet');
  assert.equal(sink.waited[0], 0);
  write('t', 'b');
  await turns();
  assert.equal(sink.waited.at(-1), 0, 'the next packet starts anew');
});

test('messages leave in the order of the calls, however long their chains take', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ topic: fc.constantFrom('x', 'y'), turn: fc.nat(4), given: fc.boolean() }), {
        maxLength: 40,
      }),
      fc.constantFrom('global' as const, 'topic' as const),
      fc.integer({ min: 1, max: 5 }),
      fc.boolean(),
      fc.boolean(),
      async (calls, order, hwm, asynchronous, alone) => {
        const { writer, fill, sink, streams } = desk({ order, hwm, turn: alone ? new Turn() : busyTurn() });
        if (asynchronous) sink.answer = () => new Promise((resolve) => setImmediate(resolve, true));
        const slots = calls.map(({ topic }) => writer.reserve(topic));
        for (let turn = 0; turn <= 4; turn++) {
          calls.forEach(({ turn: at, given }, index) => {
            if (at !== turn) return;
            const slot = slots[index]!;
            if (given) fill(slot, String(index));
            else slot.release();
          });
          await turns(1);
        }
        await writer.flushed();
        const expected = calls.flatMap(({ topic, given }, index) => (given ? [{ topic, name: String(index) }] : []));
        const left = sink.packets.flatMap((packet) => {
          const [topic, first, ...names] = packet.replace(':', '').split(' ');
          return names.map((name, at) => ({ topic: topic!, name, sequence: Number(first) + at }));
        });
        for (const topic of ['x', 'y']) {
          const ofTopic = left.filter((one) => one.topic === topic);
          assert.deepEqual(
            ofTopic.map(({ name }) => name),
            expected.filter((one) => one.topic === topic).map(({ name }) => name),
          );
          assert.deepEqual(
            ofTopic.map(({ sequence }) => sequence),
            ofTopic.map((_, index) => index + 1),
            'no sequence is missing',
          );
          assert.equal(streams.stamp(topic, 0).firstSequence, ofTopic.length + 1);
        }
        if (order === 'global') {
          assert.deepEqual(
            left.map(({ name }) => name),
            expected.map(({ name }) => name),
          );
        }
        assert.equal(writer.queued, 0);
      },
    ),
    { numRuns: 60 },
  );
});

test('at the high-water mark a message waits, is accepted in its order, and its owner is told', async () => {
  const { writer, write, sink, owner } = desk({ hwm: 2 });
  let room = false;
  sink.answer = () => room;
  const taken = ['a', 'b', 'c', 'd'].map((name) => write('t', name).state);
  assert.deepEqual(taken, ['queued', 'queued', 'waiting', 'waiting']);
  assert.equal(writer.queued, 2);
  room = true;
  await until(() => owner.log.filter((line) => line.startsWith('sent')).length === 4, 'all four');
  assert.deepEqual(owner.log, ['queued a', 'queued b', 'queued c', 'sent a', 'queued d', 'sent b', 'sent c', 'sent d']);
  assert.deepEqual(sink.packets, ['t 1: a b', 't 3: c d']);
});

test('fill says whether the queue took the message at once', () => {
  const { writer, fill } = desk({ hwm: 1 });
  assert.equal(fill(writer.reserve('t'), 'a'), true);
  assert.equal(fill(writer.reserve('t'), 'b'), false);
});

test('what comes when others wait waits behind them, also when there is room for it', () => {
  const { writer, fill, write } = desk({ hwm: 2, maxBytes: 100 });
  write('t', sized('a', 90));
  write('t', sized('b', 90));
  assert.equal(fill(writer.reserve('t'), 'c'), false, 'over the mark in bytes');
  assert.equal(writer.queued, 2);
});

test('bytes bound the queue too, but one message is always accepted', () => {
  const { writer, fill } = desk({ maxBytes: 1000 });
  assert.equal(fill(writer.reserve('t'), sized('large', 5000)), true);
  assert.equal(fill(writer.reserve('t'), 'small'), false);
});

test('the first in line leaves even over the marks: what is queued behind it cannot leave before it', async () => {
  const { writer, write, fill, sink } = desk({ hwm: 1 });
  const first = writer.reserve('t');
  write('t', 'second');
  assert.equal(fill(first, 'first'), false, 'the queue is full');
  await turns();
  assert.deepEqual(sink.packets, ['t 1: first second']);
});

test('a message that was given up is never sent and leaves no gap, whether reserved, queued or waiting', async () => {
  const { writer, write, sink, streams } = desk({ hwm: 2 });
  const reserved = writer.reserve('t');
  const queued = write('t', 'queued');
  write('t', 'kept');
  const waiting = write('t', 'waiting');
  write('t', 'last');
  for (const slot of [reserved, queued, waiting]) {
    slot.release();
    assert.equal(slot.state, 'void');
  }
  await turns();
  assert.deepEqual(sink.packets, ['t 1: kept last']);
  assert.equal(streams.stamp('t', 0).firstSequence, 3);
  assert.equal(writer.queued, 0);
});

test('giving up a message that has left does nothing', async () => {
  const { write, writer } = desk();
  const slot = write('t', 'a');
  await turns();
  slot.release();
  assert.equal(slot.state, 'sent');
  assert.equal(writer.queued, 0);
});

test('a message that is given up while the sink has no room is not in the next offer', async () => {
  const { write, sink } = desk();
  let room = false;
  sink.answer = () => room;
  const slot = write('t', 'a');
  write('t', 'b');
  await turns();
  slot.release();
  room = true;
  await until(() => sink.packets.length === 1, 'the packet');
  assert.deepEqual(sink.packets, ['t 1: b']);
});

test('giving up makes room for who waits', () => {
  const { write } = desk({ hwm: 1 });
  const first = write('t', 'a');
  const second = write('t', 'b');
  first.release();
  assert.equal(second.state, 'queued');
});

test('a place that was given up cannot be filled', () => {
  const { writer, fill } = desk();
  const slot = writer.reserve('t');
  slot.release();
  assert.throws(() => fill(slot, 'a'), /^BusError: CLOSED: the place in the queue was given up/);
  assert.equal(writer.queued, 0);
});

test('a packet that the sink refuses fails its messages alone, and uses up no sequence', async () => {
  const { write, sink, owner, writer } = desk();
  sink.answer = ({ topic }) => {
    if (topic === 'bad') throw new BusError('TRANSPORT_FAILED', 'never');
    return true;
  };
  write('t', 'a');
  write('bad', 'b');
  write('bad', 'c');
  write('t', 'd');
  await turns();
  assert.deepEqual(sink.packets, ['t 1: a', 't 2: d']);
  assert.deepEqual(owner.log.slice(4), ['sent a', 'failed b TRANSPORT_FAILED', 'failed c TRANSPORT_FAILED', 'sent d']);
  assert.equal(writer.queued, 0);
});

test('a sink that refuses later, as a promise, is the same', async () => {
  const { write, sink, owner } = desk();
  sink.answer = () => Promise.reject(new BusError('PEER_GONE', 'left'));
  write('t', 'a');
  await turns();
  sink.answer = () => true;
  write('t', 'b');
  await turns();
  assert.deepEqual(owner.log, ['queued a', 'failed a PEER_GONE', 'queued b', 'sent b']);
  assert.deepEqual(sink.packets, ['t 1: b']);
});

test('without a sink messages stay in the queue, and leave when there is one', async () => {
  const { writer, write, sink } = desk();
  writer.attach(undefined);
  write('t', 'a');
  await turns();
  assert.deepEqual(sink.packets, []);
  writer.attach(sink);
  await turns();
  assert.deepEqual(sink.packets, ['t 1: a']);
});

test('a sink that is replaced while it has no room hands over to the new one', async () => {
  const { writer, write, sink } = desk();
  sink.answer = () => false;
  write('t', 'a');
  await until(() => sink.waited.length > 3, 'some offers');
  const other = new Sink();
  writer.attach(undefined);
  writer.attach(other);
  await until(() => other.packets.length === 1, 'the packet at the new sink');
  assert.deepEqual(other.packets, ['t 1: a']);
  assert.deepEqual(sink.packets, []);
});

test('a sink that is replaced while it thinks about a packet hands over to the new one', async () => {
  const { writer, write, sink } = desk();
  let answer!: (taken: boolean) => void;
  sink.answer = () => new Promise((resolve) => (answer = resolve));
  write('t', 'a');
  await turns();
  const other = new Sink();
  writer.attach(undefined);
  writer.attach(other);
  await turns();
  answer(false);
  await until(() => other.packets.length === 1, 'the packet at the new sink');
  assert.deepEqual(other.packets, ['t 1: a']);
});

test('onTaken is told each packet that the sink has taken, once', async () => {
  const taken: string[] = [];
  const { write, sink } = desk({
    onTaken: ({ topic, records }) => taken.push(`${String(topic)} ${String(records.length)}`),
  });
  let refusals = 3;
  sink.answer = () => refusals-- <= 0;
  write('x', '1');
  write('x', '2');
  write('y', '3');
  await until(() => taken.length === 2, 'both packets');
  assert.deepEqual(taken, ['x 2', 'y 1']);
});

test('flushed() resolves when nothing is reserved, waiting or queued any more', async () => {
  const { writer, write, fill, sink } = desk({ hwm: 1 });
  await writer.flushed();
  let room = false;
  sink.answer = () => room;
  let flushed = false;
  write('t', 'a');
  write('t', 'b');
  const reserved = writer.reserve('t');
  void writer.flushed().then(() => (flushed = true));
  room = true;
  await until(() => sink.packets.length > 0, 'the queued ones');
  await turns();
  assert.equal(flushed, false, 'one chain still runs');
  fill(reserved, 'c');
  await until(() => flushed, 'the flush');
});

test('flushed() also resolves when the last one is given up', async () => {
  const { writer } = desk();
  const slot = writer.reserve('t');
  const flushed = writer.flushed();
  slot.release();
  await flushed;
});

test('abandon() gives up whatever is left, tells each owner an error of its own, and counts by topic', async () => {
  const { writer, write, owner, sink, fill } = desk({ hwm: 2 });
  sink.answer = () => false;
  write('x', 'a');
  write('y', 'b');
  write('x', 'c');
  const running = writer.reserve('x');
  const control = writer.reserve('_tb.heartbeat');
  control.control = true;
  const errors = new Set<unknown>();
  const left = writer.abandon(({ topic }) => {
    const error = new BusError('CLOSED', 'gone', { topic });
    errors.add(error);
    return error;
  });
  assert.deepEqual(
    [...left],
    [
      ['x', 3],
      ['y', 1],
    ],
  );
  assert.deepEqual(owner.log.slice(2), ['failed a CLOSED', 'failed b CLOSED', 'failed c CLOSED']);
  assert.equal(errors.size, 3);
  assert.equal(writer.queued, 0);
  await writer.flushed();
  assert.throws(() => fill(running, 'd'), /CLOSED/);
  sink.answer = () => true;
  await turns();
  assert.deepEqual(sink.packets, [], 'nothing is sent afterwards');
});

test('a caller in a tight loop waits for the next turn of the event loop once this one had its share', async () => {
  const { writer } = desk();
  let free = 0;
  while (writer.turn() === undefined) free++;
  assert.equal(free, 511);
  const waiting = writer.turn();
  assert.ok(waiting instanceof Promise);
  await waiting;
  await turns(1);
  assert.equal(writer.turn(), undefined, 'a new turn, a new share');
});

test('many packets in a row let the event loop turn in between', async () => {
  const { write, sink } = desk({ maxRecords: 1 });
  for (let index = 0; index < 300; index++) write('t', String(index));
  await turns(1);
  const first = sink.packets.length;
  assert.ok(first > 0 && first < 300, `${String(first)} packets in the first turn`);
  await until(() => sink.packets.length === 300, 'all');
});

test('a lone message leaves in its own turn, and what follows in that turn shares a packet at its end', async () => {
  const { write, sink, owner, clock } = desk({ turn: new Turn() });
  for (const name of ['a', 'b', 'c']) write('t', name);
  assert.deepEqual(sink.packets, ['t 1: a'], 'before the call has returned');
  assert.deepEqual(owner.log, ['queued a', 'sent a', 'queued b', 'queued c']);
  await turns(1);
  assert.deepEqual(sink.packets, ['t 1: a', 't 2: b c']);
  assert.equal(clock.pending, 0, 'there is no timer');
});

test('after a turn with several messages none leaves alone, after a turn with one the next does', async () => {
  const { write, sink } = desk({ turn: new Turn() });
  for (const name of ['a', 'b', 'c']) write('t', name);
  await turns(2);
  for (const name of ['d', 'e']) write('t', name);
  assert.equal(sink.packets.length, 2, 'the load is high: full packets are not made smaller');
  await turns(2);
  write('t', 'f');
  assert.equal(sink.packets.length, 3, 'the first after a burst waits for the end of its turn');
  await turns(2);
  write('t', 'g');
  assert.deepEqual(sink.packets, ['t 1: a', 't 2: b c', 't 4: d e', 't 6: f', 't 7: g']);
});

test('where each message is a packet of its own 64 leave within a turn, and then the event loop turns', async () => {
  const { write, sink } = desk({ byTopic: false, maxRecords: 1, turn: new Turn() });
  for (let index = 0; index < 100; index++) write('t', String(index));
  assert.equal(sink.packets.length, 64);
  await turns(3);
  assert.equal(sink.packets.length, 100);
  write('t', 'next');
  assert.equal(sink.packets.length, 101, 'in a new turn they leave at once again');
  assert.deepEqual(
    sink.packets.slice(0, 100),
    Array.from({ length: 100 }, (_, index) => `- ${String(index + 1)}: ${String(index)}`),
  );
});

test('no message leaves before what another writer of the bus has queued, nor in the turn in which another sent', async () => {
  const turn = new Turn();
  const order: string[] = [];
  const [first, second] = [desk({ turn }), desk({ turn })];
  first.sink.answer = ({ records }) => order.push(`first ${text(records[0] as Slot)}`) > 0;
  second.sink.answer = ({ records }) => order.push(`second ${text(records[0] as Slot)}`) > 0;
  first.write('t', 'a');
  first.write('t', 'b');
  second.write('t', 'c');
  assert.deepEqual(order, ['first a']);
  await turns(1);
  assert.deepEqual(order, ['first a', 'first b', 'second c']);
  await turns(1);
  second.write('t', 'd');
  first.write('t', 'e');
  assert.deepEqual(order.slice(3), ['second d'], 'sockets are read before what comes after it leaves by another one');
  await turns(1);
  assert.deepEqual(order.slice(3), ['second d', 'first e']);
});

test('what several writers of a bus have queued leaves writer by writer, each with all its packets', async () => {
  const turn = new Turn();
  const order: string[] = [];
  const [events, jobs, questions] = [desk({ turn }), desk({ turn, maxRecords: 1 }), desk({ turn })];
  for (const { sink } of [events, jobs, questions]) {
    sink.answer = ({ records }) =>
      order.push(records.map(({ payload }) => Buffer.from(payload).toString()).join('+')) > 0;
  }
  events.write('t', 'a');
  for (const job of ['b', 'c', 'd']) jobs.write('t', job);
  questions.write('t', 'e');
  questions.write('t', 'f');
  await turns(1);
  assert.deepEqual(order, ['a', 'b', 'c', 'd', 'e+f']);
});

test('what is written when all before it was given up, while the sink has no room, leaves when there is some', async () => {
  const { writer, write, sink } = desk({ byTopic: false });
  sink.answer = () => false;
  const given = write('t', 'given up');
  await turns(3);
  given.release();
  write('t', 'next');
  sink.answer = () => true;
  await until(() => sink.packets.length === 1, 'the next one');
  assert.deepEqual(sink.packets, ['- 1: next']);
  assert.equal(writer.queued, 0);
});

test('what is filled while another topic waits for room leaves, also when that one is given up', async () => {
  const { writer, write, fill, sink } = desk({ order: 'topic' });
  const slow = writer.reserve('slow');
  let offers = 0;
  sink.answer = () => {
    if (++offers === 5) {
      setImmediate(() => {
        fill(slow, 'filled');
        stuck.release();
        sink.answer = () => true;
      });
    }
    return false;
  };
  const stuck = write('stuck', 'stuck');
  await until(() => sink.packets.length === 1, 'the one that was filled');
  assert.deepEqual(sink.packets, ['slow 1: filled']);
  assert.equal(writer.queued, 0);
});

test('a message behind one whose chain still runs does not leave alone', async () => {
  const { writer, write, fill, sink } = desk({ turn: new Turn() });
  const slow = writer.reserve('t');
  write('t', 'second');
  assert.deepEqual(sink.packets, []);
  await turns();
  assert.deepEqual(sink.packets, []);
  fill(slow, 'first');
  await turns();
  assert.deepEqual(sink.packets, ['t 1: first second']);
});

for (const asynchronous of [false, true]) {
  const manner = asynchronous ? 'later' : 'at once';
  const given = (answer: boolean): boolean | Promise<boolean> => (asynchronous ? Promise.resolve(answer) : answer);

  test(`a lone message that the sink has no room for, and says so ${manner}, leaves in its order when there is room`, async () => {
    const { writer, write, sink } = desk({ turn: new Turn() });
    let room = false;
    sink.answer = () => given(room);
    const slot = write('t', 'a');
    write('t', 'b');
    await turns(2);
    assert.equal(slot.offered, true);
    assert.equal(writer.queued, 2);
    room = true;
    await until(() => sink.packets.length > 0, 'the packet');
    assert.deepEqual(sink.packets, ['t 1: a b']);
    await writer.flushed();
  });

  test(`a lone message that the sink refuses ${manner} fails alone, uses up no sequence and holds nothing back`, async () => {
    const refused: unknown[] = [];
    const { writer, write, sink, owner } = desk({ turn: new Turn(), onRefused: (error) => refused.push(error) });
    const error = new BusError('TRANSPORT_FAILED', 'never');
    sink.answer = () => {
      if (!asynchronous) throw error;
      return Promise.reject(error);
    };
    write('t', 'a');
    await turns(2);
    assert.deepEqual(owner.log, ['queued a', 'failed a TRANSPORT_FAILED']);
    assert.deepEqual(refused, [error]);
    assert.equal(writer.queued, 0);
    sink.answer = () => given(true);
    write('t', 'b');
    await writer.flushed();
    assert.deepEqual(sink.packets, ['t 1: b']);
  });
}

test('an owner that writes when its lone message has left has that one sent as well', async () => {
  const { writer, fill, write, sink, owner } = desk({ turn: new Turn() });
  const slot = writer.reserve('t');
  const sent = owner.onSent.bind(owner);
  owner.onSent = (one) => {
    owner.onSent = sent;
    write('t', 'b');
    sent(one);
  };
  fill(slot, 'a');
  assert.deepEqual(sink.packets, ['t 1: a']);
  await writer.flushed();
  assert.deepEqual(sink.packets, ['t 1: a', 't 2: b']);
});

test('without a sink a lone message stays in the queue, and one whose sink goes while it is offered goes to the next sink', async () => {
  const { writer, write, sink } = desk({ turn: new Turn() });
  writer.attach(undefined);
  write('t', 'a');
  await turns(2);
  assert.equal(writer.queued, 1);
  let take!: (taken: boolean) => void;
  sink.answer = () => new Promise((resolve) => (take = resolve));
  writer.attach(sink);
  await turns(2);
  take(true);
  await turns(2);
  assert.deepEqual(sink.packets, ['t 1: a']);
  write('t', 'b');
  writer.attach(undefined);
  const next = new Sink();
  writer.attach(next);
  take(false);
  await turns(3);
  assert.deepEqual(next.packets, ['t 2: b']);
  assert.equal(writer.queued, 0);
});

test('giving up a lone message while the sink decides tells its owner nothing more, and what comes behind it leaves', async () => {
  const { writer, write, sink, owner } = desk({ turn: new Turn() });
  let take!: (taken: boolean) => void;
  sink.answer = () => new Promise((resolve) => (take = resolve));
  const slot = write('t', 'a');
  slot.release();
  write('t', 'b');
  await turns(2);
  assert.equal(writer.queued, 1);
  take(true);
  await turns(2);
  take(true);
  await writer.flushed();
  assert.deepEqual(owner.log, ['queued a', 'queued b', 'sent b']);
});

test('abandoning while a lone message is offered tells its owner once', async () => {
  const { writer, write, sink, owner } = desk({ turn: new Turn() });
  let take!: (taken: boolean) => void;
  sink.answer = () => new Promise((resolve) => (take = resolve));
  write('t', 'a');
  writer.abandon((slot) => new BusError('CLOSED', 'gone', { topic: slot.topic }));
  take(true);
  await turns(2);
  assert.deepEqual(owner.log, ['queued a', 'failed a CLOSED']);
  assert.equal(writer.queued, 0);
});

test('lanes of topics that lone messages went through do not pile up', async () => {
  const { writer, write } = desk({ order: 'topic', turn: new Turn() });
  for (let index = 0; index < 20; index++) {
    write(`topic.${String(index)}`, 'a');
    await turns(2);
  }
  assert.deepEqual(
    [...(writer as unknown as { lanes: Map<string, unknown> }).lanes.keys()],
    [''],
    'that of all topics',
  );
});

test('topics of one route share packets, in the order of the calls, each with its own sequence', async () => {
  const { write, sink } = mixingDesk();
  for (const name of ['a1', 'a2', 'b1', 'a1', 'a1', 'a2']) write(name, name);
  await turns();
  write('a2', 'later');
  await turns();
  assert.deepEqual(sink.packets, ['[a1 1: a1 | a2 1: a2]', '[b1 1: b1]', '[a1 2: a1 a1 | a2 2: a2]', '[a2 3: later]']);
});

test('a lone message goes by its route too, and counts on in its topic', async () => {
  const { write, sink, streams } = mixingDesk({ turn: new Turn() });
  for (const name of ['a1', 'a2', 'a1', 'x1']) {
    write(name, name);
    await turns(2);
  }
  assert.deepEqual(sink.packets, ['[a1 1: a1]', '[a2 1: a2]', '[a1 2: a1]', 'x1 1: x1']);
  assert.equal(streams.of('a1').last, 2);
});

test('a topic that comes again and again in one packet counts on', async () => {
  const { write, sink, streams } = mixingDesk();
  for (const name of ['a1', 'a2', 'a1', 'a1', 'a2', 'a1']) write(name, name);
  await turns();
  assert.deepEqual(sink.packets, ['[a1 1: a1 | a2 1: a2 | a1 2: a1 a1 | a2 2: a2 | a1 4: a1]']);
  assert.deepEqual([streams.of('a1').last, streams.of('a2').last], [4, 2]);
});

test('a topic with a route goes by it also alone, and one without goes alone among others', async () => {
  const { write, sink } = mixingDesk();
  for (const name of ['a1', 'x1', 'x1', 'x2', 'a1', 'a2']) write(name, name);
  await turns();
  assert.deepEqual(sink.packets, ['[a1 1: a1]', 'x1 1: x1 x1', 'x2 1: x2', '[a1 2: a1 | a2 1: a2]']);
});

test('what a sink has no room for uses no sequence up, and is gathered anew, by the routes of then', async () => {
  const { write, sink } = mixingDesk();
  let refusals = 3;
  sink.answer = () => refusals-- <= 0;
  for (const name of ['a1', 'a2', 'a1']) write(name, name);
  await turns(1);
  assert.deepEqual(sink.packets, []);
  sink.exact = 'a';
  await until(() => sink.packets.length === 3, 'the packets');
  assert.deepEqual(sink.packets, ['a1 1: a1', 'a2 1: a2', 'a1 2: a1']);
});

test('what is given up in a packet that waits leaves no gap', async () => {
  const { write, sink } = mixingDesk();
  sink.answer = () => false;
  const [, given] = ['a1', 'a2', 'a1', 'a2'].map((name, index) => write(name, `${name}.${String(index)}`));
  await until(() => sink.waited.length > 2, 'some offers');
  given!.release();
  sink.answer = () => true;
  await until(() => sink.packets.length > 0, 'the packet');
  assert.deepEqual(sink.packets, ['[a1 1: a1.0 a1.2 | a2 1: a2.3]']);
});

test('a sink that throws loses the packet, and its sequences are given to the next', async () => {
  const { write, sink, owner } = mixingDesk();
  sink.answer = () => {
    throw new BusError('TRANSPORT_FAILED', 'broken');
  };
  for (const name of ['a1', 'a2']) write(name, name);
  await turns();
  assert.deepEqual(owner.log.slice(2), ['failed a1 TRANSPORT_FAILED', 'failed a2 TRANSPORT_FAILED']);
  sink.answer = () => true;
  for (const name of ['a2', 'a1']) write(name, name);
  await turns();
  assert.deepEqual(sink.packets, ['[a2 1: a2 | a1 1: a1]']);
});

test('topics of two epochs share no packet', async () => {
  const clock = new FakeClock();
  const streams = new Streams(2);
  const writer = new Writer(
    { hwm: 100, maxBytes: 1e6, maxRecords: 100, order: 'global', byTopic: true, clock, turn: busyTurn() },
    streams,
  );
  const sink = new RoutingSink();
  writer.attach(sink);
  const epochs: number[] = [];
  sink.answer = ({ stamp }) => epochs.push(stamp.epoch) > 0;
  for (const topic of ['a1', 'a2', 'a3', 'a1', 'a3']) {
    const slot = writer.reserve(topic);
    slot.headerBlock = new MessageHeaders().encode(1);
    slot.payload = Buffer.from(topic);
    writer.fill(slot);
  }
  await turns();
  // The third topic takes the place of the first, which then comes back anew.
  assert.deepEqual(sink.packets, ['[a1 1: a1 | a2 1: a2]', '[a3 1: a3 | a1 1: a1 | a3 2: a3]']);
  assert.equal(new Set(epochs).size, 2);
});

test("the bus's own topics and senders without topics know no routes", async () => {
  const own = mixingDesk();
  own.write('_tb.heartbeat', 'beat');
  own.write('a1', 'a1');
  await turns();
  assert.deepEqual(own.sink.packets.sort(), ['[a1 1: a1]', '_tb.heartbeat 1: beat']);
  const without = mixingDesk({ byTopic: false });
  for (const name of ['a1', 'a2']) without.write(name, name);
  await turns();
  assert.deepEqual(without.sink.packets, ['- 1: a1 a2']);
});

test('under order topic topics share packets by their routes, however they are mixed, and those without one go by themselves', async () => {
  const { write, sink } = mixingDesk({ order: 'topic' });
  for (const name of ['a1', 'b1', 'x1', 'a2', 'x2', 'b1', 'a1', 'x1']) write(name, name);
  await turns();
  assert.deepEqual(sink.packets, ['[a1 1: a1 | a2 1: a2 | a1 2: a1]', '[b1 1: b1 b1]', 'x1 1: x1 x1', 'x2 1: x2']);
});

test('under order topic the packets are as full as the routes allow, however many routes take turns', async () => {
  const { write, sink } = mixingDesk({ order: 'topic' });
  const letters = 'abcdefghijklmnopqrstuvw';
  for (let n = 0; n < 40 * letters.length; n++) write(`${letters[n % letters.length]!}${String(n % 3)}`, 'p');
  await turns(4);
  assert.equal(sink.packets.length, letters.length);
});

test('under order topic what comes while a batch leaves is brought together in its turn', async () => {
  const { write, sink } = mixingDesk({ order: 'topic' });
  let makeRoom = (): void => {};
  const room = new Promise<boolean>((resolve) => (makeRoom = () => resolve(true)));
  sink.answer = () => room;
  for (const name of ['a1', 'b1', 'a2']) write(name, name);
  await turns();
  for (const name of ['c1', 'a1', 'c2', 'a2']) write(name, name);
  makeRoom();
  await turns();
  assert.deepEqual(sink.packets, [
    '[a1 1: a1 | a2 1: a2]',
    '[b1 1: b1]',
    '[c1 1: c1 | c2 1: c2]',
    '[a1 2: a1 | a2 2: a2]',
  ]);
});

test('under order topic who has a chain that still runs steps aside, with all of its topic, and the others share packets', async () => {
  const { writer, write, fill, sink } = mixingDesk({ order: 'topic' });
  write('b1', 'b1');
  const slow = writer.reserve('a1');
  for (const name of ['a2', 'a1', 'a3', 'b1']) write(name, name);
  await turns();
  assert.deepEqual(sink.packets, ['[b1 1: b1]', '[a2 1: a2 | a3 1: a3]', '[b1 2: b1]']);
  write('a1', 'third');
  write('a2', 'again');
  fill(slow, 'first');
  await turns();
  assert.deepEqual(sink.packets.slice(3).sort(), ['[a1 1: first a1 third]', '[a2 2: again]']);
});

test('a packet of several topics is closed at its size, the topics included, and a large record goes alone', async () => {
  const { write, sink } = mixingDesk();
  const topic = (index: number): string => `a${String(index)}.${'y'.repeat(240)}`;
  for (let index = 0; index < 200; index++) write(topic(index), sized('p', 100));
  write('a.large', sized('L', PACK_BYTES));
  write('a.small', 's');
  await turns();
  const counts = sink.packets.map((packet) => packet.split('|').length);
  const most = Math.ceil(PACK_BYTES / (100 + 11 + 242));
  assert.ok(
    counts.slice(0, -2).every((count) => count <= most),
    counts.join(),
  );
  assert.deepEqual(counts.slice(-2), [1, 1]);
  assert.equal(
    counts.reduce((sum, count) => sum + count),
    202,
  );
});

/** `a1 0`, `b1 1`, ... by topic, the order within each unchanged. */
function byTopic(records: string[]): string[] {
  return [...records].sort((a, b) => a.slice(0, 2).localeCompare(b.slice(0, 2)));
}

test('topics of several routes, chains that end out of order, refusals and what is given up: nothing is lost or out of order', async () => {
  const step = fc.record({
    topic: fc.constantFrom('a1', 'a2', 'b1', 'x1', 'x2'),
    late: fc.boolean(),
    drop: fc.boolean(),
    pause: fc.boolean(),
  });
  const marks = fc.record({ order: fc.constantFrom('global', 'topic'), hwm: fc.constantFrom(3, 1000) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 60 }),
      fc.nat({ max: 5 }),
      marks,
      async (steps, refusals, options) => {
        const { writer, fill, sink } = mixingDesk(options);
        let left = refusals;
        const arrived: string[] = [];
        const next = new Map<string, number>();
        sink.answer = ({ records, topic, stamp, mixed }) => {
          if (left-- > 0) return false;
          const runs = mixed?.runs ?? [{ topic: topic!, firstSequence: stamp.firstSequence, count: records.length }];
          assert.equal(
            runs.reduce((sum, { count }) => sum + count, 0),
            records.length,
          );
          for (const run of runs) {
            assert.equal(run.firstSequence, next.get(run.topic) ?? 1, run.topic);
            next.set(run.topic, run.firstSequence + run.count);
          }
          arrived.push(...records.map(({ payload }) => Buffer.from(payload).toString()));
          return true;
        };
        const slots: Slot[] = [];
        for (const [index, { topic, late, pause }] of steps.entries()) {
          const slot = writer.reserve(topic);
          slots.push(slot);
          if (!late) fill(slot, `${topic} ${String(index)}`);
          if (pause) await turns(1);
        }
        await turns(2);
        steps.forEach(({ drop, late, topic }, index) => {
          const slot = slots[index]!;
          if (drop && slot.state !== 'sent') slot.release();
          else if (late) fill(slot, `${topic} ${String(index)}`);
        });
        await until(() => slots.every(({ state }) => state === 'sent' || state === 'void'), 'all to leave');
        const expected = slots.flatMap(({ state, topic }, index) =>
          state === 'sent' ? [`${topic} ${String(index)}`] : [],
        );
        const inOrder = (records: string[]): string[] => (options.order === 'global' ? records : byTopic(records));
        assert.deepEqual(inOrder(arrived), inOrder(expected));
        // Nothing is left behind, in whatever lane.
        await writer.flushed();
      },
    ),
    { numRuns: 200 },
  );
});
