/** Conformance: publish and subscribe. */
import assert from 'node:assert/strict';
import type { TransportFeatures } from '../../../src/core/transport.ts';
import type { Conforms } from './bench.ts';
import { accounting, textsOf } from './packets.ts';
import { handOver, isReady, offers, until } from './waiting.ts';

export function publishSubscribe(conforms: Conforms, features: TransportFeatures): void {
  conforms('a packet published after Receiver.ready arrives, each time, without any waiting', async (bench) => {
    const publisher = await bench.publisher();
    for (let round = 0; round < 20; round++) {
      const subscriber = await bench.subscriber({ endpoint: publisher.link.endpoint, patterns: ['late.joiner'] });
      await publisher.publish('late.joiner', `round ${round}`);
      await until(() => subscriber.told.texts.length > 0, `the packet of round ${round}`);
      assert.deepEqual(subscriber.told.texts, [`round ${round}`]);
      await subscriber.link.close();
    }
  });

  conforms('a packet arrives as it was sealed: topic, stamp, kinds, headers and payloads', async (bench) => {
    const publisher = await bench.publisher();
    const { told } = await bench.subscriber({ endpoint: publisher.link.endpoint, patterns: ['price.tick'] });
    const sent = publisher.sealer.seal(
      'price.tick',
      { headers: { 'message-id': 'a1', 'x-own': 'é' }, payload: 'first' },
      { payload: '' },
      { headers: { signature: new Uint8Array([0, 255]) }, payload: new Uint8Array([0, 1, 2]) },
    );
    await publisher.offer(sent);
    await until(() => told.texts.length > 0, 'the packet');
    const incoming = told.packets.find(({ topic }) => topic === 'price.tick')!;
    const { records, ...stamp } = incoming.packet;
    assert.deepEqual(stamp, sent.stamp);
    assert.deepEqual(
      records.map((record) => [record.kind, [...record.headers.entries()].map(([key]) => key), [...record.payload]]),
      [
        [1, ['message-id', 'x-own'], [...Buffer.from('first')]],
        [1, [], []],
        [1, ['signature'], [0, 1, 2]],
      ],
    );
    assert.equal(records[0]?.headers.get('x-own'), 'é');
  });

  conforms(
    'every subscriber gets every packet of a publisher, in the order of the hand-over, across topics',
    async (bench) => {
      const publisher = await bench.publisher();
      const { endpoint } = publisher.link;
      const one = await bench.subscriber({ endpoint, patterns: ['>'] });
      const two = await bench.subscriber({ endpoint, patterns: ['a', 'b.>', 'c.*.x'] });
      const topics = ['a', 'b.1', 'c.2.x'];
      const expected: string[] = [];
      for (let index = 0; index < 1500; index++) {
        expected.push(String(index));
        await publisher.publish(topics[index % 3]!, String(index));
      }
      for (const { told } of [one, two]) {
        await until(
          () => told.texts.length >= expected.length,
          () => `all packets, got ${told.texts.length}`,
        );
        assert.deepEqual(told.texts, expected);
      }
    },
  );

  conforms(
    'a topic brings exactly that topic, and a wildcard nothing outside of the words before it',
    async (bench) => {
      const publisher = await bench.publisher();
      const { endpoint } = publisher.link;
      const exact = await bench.subscriber({ endpoint, patterns: ['price.tick'] });
      const wild = await bench.subscriber({ endpoint, patterns: ['price.>', 'end'] });
      for (const topic of ['price', 'price.tic', 'price.ticker', 'price.tick.btc', 'prices.tick', 'other']) {
        await publisher.publish(topic, topic);
      }
      for (const topic of ['price.tick', 'end']) await publisher.publish(topic, topic);
      await until(() => exact.told.texts.length > 0 && wild.told.texts.includes('end'), 'the last packets');
      assert.deepEqual(exact.told.texts, ['price.tick']);
      assert.deepEqual(wild.told.texts, ['price.tic', 'price.ticker', 'price.tick.btc', 'price.tick', 'end']);
    },
  );

  conforms('subscriptions are counted: as many unsubscribes undo them', async (bench) => {
    const publisher = await bench.publisher();
    const { link, told } = await bench.subscriber({ endpoint: publisher.link.endpoint, patterns: ['a', 'a', 'end'] });
    link.unsubscribe('a');
    await isReady((signal) => link.ready({ signal, publishers: 1 }), 'the first unsubscribe to arrive');
    await publisher.publish('a', 'still subscribed');
    await until(() => told.texts.length === 1, 'the packet');
    link.unsubscribe('a');
    await isReady((signal) => link.ready({ signal, publishers: 1 }), 'the second unsubscribe to arrive');
    await publisher.publish('a', 'nobody asks for this');
    link.unsubscribe('a');
    link.subscribe('a');
    await isReady((signal) => link.ready({ signal, publishers: 1 }), 'the new subscription to arrive');
    await publisher.publish('a', 'subscribed again');
    await publisher.publish('end', 'end');
    await until(() => told.texts.includes('end'), 'the last packet');
    assert.deepEqual(told.texts, ['still subscribed', 'subscribed again', 'end']);
  });

  conforms('1,000 subscriptions of one turn are all there after Receiver.ready', async (bench) => {
    const publisher = await bench.publisher();
    const topics = Array.from({ length: 1000 }, (_, index) => `topic.${index}`);
    const { told } = await bench.subscriber({ endpoint: publisher.link.endpoint, patterns: topics });
    for (const topic of topics) await publisher.publish(topic, topic);
    await until(
      () => told.texts.length >= topics.length,
      () => `all topics, got ${told.texts.length}`,
    );
    assert.deepEqual(told.texts, topics);
  });

  conforms('heartbeats reach every subscriber, whatever it subscribed to', async (bench) => {
    const publisher = await bench.publisher();
    const { told } = await bench.subscriber({ endpoint: publisher.link.endpoint, patterns: ['a'] });
    await publisher.publish('_tb.heartbeat', { kind: 'heartbeat', payload: 'last sequences' });
    const beats = () => told.packets.filter(({ topic }) => topic === '_tb.heartbeat');
    await until(() => beats().length > 0, 'the heartbeat');
    assert.deepEqual(beats().flatMap(textsOf), ['last sequences']);
  });

  conforms('a publish without subscribers is taken', async (bench) => {
    const publisher = await bench.publisher();
    assert.deepEqual(
      await offers(publisher.link, publisher.sealer.seal('a', 'nobody is here'), 10),
      Array(10).fill(true),
    );
  });

  conforms('a subscriber that binds gets the packets of several connecting publishers', async (bench) => {
    const { link, told } = await bench.subscriber({ mode: 'bind', endpoint: await bench.reserve(), ready: false });
    link.subscribe('a');
    const connect = () => bench.publisher({ mode: 'connect', endpoint: link.endpoint });
    const publishers = [await connect(), await connect()];
    for (const { link: sender } of publishers)
      await isReady((signal) => sender.ready(signal), 'a publisher to connect');
    await isReady((signal) => link.ready({ signal, publishers: 2 }), 'both publishers');
    const expected: string[] = [];
    for (let index = 0; index < 100; index++) {
      for (const [number, publisher] of publishers.entries()) {
        expected.push(`${number}: ${index}`);
        await publisher.publish('a', `${number}: ${index}`);
      }
    }
    await until(
      () => told.texts.length >= 200,
      () => `200 packets, got ${told.texts.length}`,
    );
    assert.deepEqual(accounting(expected, told.texts), {
      accepted: 200,
      seen: 200,
      lost: 0,
      duplicated: 0,
      unexpected: 0,
    });
    for (const number of ['0', '1']) {
      const ofOne = (texts: string[]) => texts.filter((text) => text.startsWith(number));
      assert.deepEqual(ofOne(told.texts), ofOne(expected));
    }
  });

  conforms('a subscriber may connect before the publisher binds, and comes back after it restarts', async (bench) => {
    const endpoint = await bench.reserve();
    const { link, told } = await bench.subscriber({ endpoint, patterns: ['a', 'b.>'], ready: false });
    for (const life of ['first', 'second', 'third']) {
      const publisher = await bench.publisher({ endpoint });
      // Until it has heard of the new publisher, a subscriber may still believe in its ready state: so ask the publisher.
      await until(() => publisher.link.subscriberCount('b.c') !== 0, `the subscriber of the ${life} life`);
      await isReady((signal) => link.ready({ signal, publishers: 1 }), `ready in the ${life} life`);
      await handOver(publisher.link, publisher.sealer.seal('a', `${life} a`));
      await handOver(publisher.link, publisher.sealer.seal('b.c', `${life} b`));
      await until(() => told.texts.includes(`${life} b`), `the packets of the ${life} life`);
      await publisher.link.close();
    }
    assert.deepEqual(told.texts, ['first a', 'first b', 'second a', 'second b', 'third a', 'third b']);
  });

  conforms('Receiver.ready rejects with the reason of its signal while no publisher is there', async (bench) => {
    const { link } = await bench.subscriber({ endpoint: await bench.reserve(), patterns: ['a'], ready: false });
    const reason = new Error('no longer interested');
    await assert.rejects(link.ready({ signal: AbortSignal.abort(reason), publishers: 1 }), reason);
    const abort = new AbortController();
    const ready = link.ready({ signal: abort.signal, publishers: 1 });
    setImmediate(() => abort.abort(reason));
    await assert.rejects(ready, reason);
  });

  conforms('a receiver that answers a promise gets nothing more until it has settled', async (bench) => {
    const publisher = await bench.publisher();
    let running = 0;
    let most = 0;
    const { told } = await bench.subscriber({
      endpoint: publisher.link.endpoint,
      patterns: ['a'],
      onPacket: async () => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running--;
      },
    });
    const expected = Array.from({ length: 300 }, (_, index) => String(index));
    for (const text of expected) await publisher.publish('a', text);
    await until(
      () => told.texts.length >= 300,
      () => `all packets, got ${told.texts.length}`,
    );
    assert.deepEqual(told.texts, expected);
    assert.equal(most, 1);
  });

  if (features.subscriberCounts) {
    conforms(
      'subscriberCount follows subscribers as they come and go, and onSubscribersChanged tells',
      async (bench) => {
        const publisher = await bench.publisher();
        const { endpoint } = publisher.link;
        const counts = () => ['a', 'b', 'c.d'].map((topic) => publisher.link.subscriberCount(topic));
        const become = async (...expected: number[]) => {
          await until(
            () => counts().join() === expected.join(),
            () => `counts ${expected.join()}, now ${counts().join()}`,
          );
        };
        assert.deepEqual(counts(), [0, 0, 0]);
        const one = await bench.subscriber({ endpoint, patterns: ['a', 'c.>'] });
        await become(1, 0, 1);
        await until(() => publisher.told.changes > 0, 'the publisher to be told');
        const changes = publisher.told.changes;
        const two = await bench.subscriber({ endpoint, patterns: ['a', 'b'] });
        await become(2, 1, 1);
        await until(() => publisher.told.changes > changes, 'the publisher to be told again');
        const toldAfter = async (change: () => void) => {
          const before = publisher.told.changes;
          change();
          await until(() => publisher.told.changes > before, 'the publisher to be told of the change');
        };
        two.link.subscribe('a');
        await toldAfter(() => one.link.unsubscribe('a'));
        await become(1, 1, 1);
        two.link.unsubscribe('a');
        await toldAfter(() => one.link.subscribe('b'));
        await become(1, 2, 1);
        one.link.unsubscribe('c.>');
        await become(1, 2, 0);
        one.link.subscribe('c.>');
        await become(1, 2, 1);
        await one.link.close();
        await become(1, 1, 0);
        await two.link.close();
        await become(0, 0, 0);
      },
    );
  }
}
