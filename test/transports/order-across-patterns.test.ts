/** What a program publishes, pushes and asks is handed to the transport in the order of its calls, at low load and at high. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TestContext } from 'node:test';
import type { OutgoingPacket } from '../../src/core/outgoing-packet.ts';
import type { PacketSink, Transport } from '../../src/core/transport.ts';
import { MessageBus } from '../../src/message-bus.ts';
import { memory } from '../../src/transports/memory.ts';
import { zeromq } from '../../src/transports/zeromq/index.ts';
import { turns } from '../support/fake-clock.ts';
import { until } from './conformance/waiting.ts';

type Verb = 'publish' | 'push' | 'request';

const ORDERS: readonly (readonly Verb[])[] = [
  ['publish', 'push', 'request'],
  ['publish', 'request', 'push'],
  ['push', 'publish', 'request'],
  ['push', 'request', 'publish'],
  ['request', 'publish', 'push'],
  ['request', 'push', 'publish'],
];

/** Notes the topic of each record in the order in which sinks are offered them; heartbeats and echoes are left out. */
function watched(transport: Transport, offered: string[]): Transport {
  const watch = async <L extends PacketSink>(opening: Promise<L>): Promise<L> => {
    const link = await opening;
    const trySend = link.trySend.bind(link);
    link.trySend = (packet: OutgoingPacket, waitedMs: number) => {
      for (const { topic = '' } of packet.records) if (!topic.startsWith('_tb.')) offered.push(topic);
      return trySend(packet, waitedMs);
    };
    return link;
  };
  return {
    ...transport,
    openPublisher: (spec) => watch(transport.openPublisher(spec)),
    openPusher: (spec) => watch(transport.openPusher(spec)),
    openRequester: (spec) => watch(transport.openRequester(spec)),
  };
}

async function busOn(t: TestContext, transport: Transport, address: string) {
  const offered: string[] = [];
  const far = new MessageBus('far', {
    transport,
    endpoints: { pull: { bind: address }, respond: { bind: address } },
    logLevel: 'error',
  });
  t.after(() => far.close({ timeoutMs: 0 }));
  far.pull('>', () => undefined);
  far.respond('>', ({ topic }) => topic);
  await far.ready();
  const at = (pattern: string): string =>
    far.describe().links.find((link) => link.pattern === pattern)?.address ?? assert.fail(pattern);
  const bus = new MessageBus('near', {
    transport: watched(transport, offered),
    endpoints: {
      publish: { bind: address },
      push: { connect: [at('pull')] },
      request: { connect: [at('respond')] },
    },
    logLevel: 'error',
  });
  t.after(() => bus.close({ timeoutMs: 0 }));
  // Every link is open and has sent something.
  await Promise.all([bus.publish('open', 1), bus.push('open', 1), bus.request('open', 1)]);
  await turns(3);
  offered.length = 0;
  return { bus, offered };
}

/** A call with its verb for a topic. */
function call(bus: MessageBus, verb: Verb): Promise<unknown> {
  if (verb === 'publish') return bus.publish(verb, 1);
  return verb === 'push' ? bus.push(verb, 1) : bus.request(verb, 1);
}

const TRANSPORTS = [
  { name: 'memory', make: () => memory(), address: 'memory://*' },
  { name: 'zeromq', make: () => zeromq(), address: 'tcp://127.0.0.1:*' },
];

for (const { name, make, address } of TRANSPORTS) {
  describe(`the order across patterns over ${name}`, () => {
    test('calls of one turn are offered in their order, each pattern alone at first and in bursts later', async (t) => {
      const { bus, offered } = await busOn(t, make(), address);
      const calls: Promise<unknown>[] = [];
      for (const repeats of [1, 1, 3, 1]) {
        for (const order of ORDERS) {
          const wanted: string[] = [];
          for (const verb of order) {
            // One packet of each pattern: of those with several the later ones take turns.
            for (let index = 0; index < (verb === 'push' ? 1 : repeats); index++) {
              wanted.push(verb);
              calls.push(call(bus, verb));
            }
          }
          await until(() => offered.length === wanted.length, 'all that was sent');
          assert.deepEqual(offered.splice(0), wanted, `${order.join(', ')}, ${String(repeats)} of each`);
          await turns(2);
        }
      }
      await Promise.all(calls);
    });

    test('awaited one after the other they are offered in their order too, also when the turn before was busy', async (t) => {
      const { bus, offered } = await busOn(t, make(), address);
      for (const isBusy of [false, true]) {
        for (const order of ORDERS) {
          const wanted: string[] = [];
          if (isBusy) {
            wanted.push('publish', 'publish');
            void bus.publish('publish', 1);
            void bus.publish('publish', 2);
          }
          for (const verb of order) {
            wanted.push(verb);
            await call(bus, verb);
          }
          await until(() => offered.length === wanted.length, 'all that was sent');
          assert.deepEqual(offered.splice(0), wanted, order.join(', '));
        }
      }
    });

    test('calls of one turn that interleave leave in the order in which their patterns began', async (t) => {
      const { bus, offered } = await busOn(t, make(), address);
      void bus.publish('p.1', 1);
      void bus.push('q.1', 1);
      void bus.publish('p.2', 1);
      void bus.push('q.2', 1);
      const reply = bus.request('r.1', 1);
      await reply;
      await until(() => offered.length === 5, 'all that was sent');
      assert.equal(offered[0], 'p.1', 'the lone one at once');
      assert.deepEqual([...offered].sort(), ['p.1', 'p.2', 'q.1', 'q.2', 'r.1']);
      for (const [before, after] of [
        ['p.1', 'p.2'],
        ['q.1', 'q.2'],
        ['q.1', 'r.1'],
      ] as const) {
        assert.ok(offered.indexOf(before) < offered.indexOf(after), `${before} before ${after}: ${offered.join(' ')}`);
      }
    });
  });
}
