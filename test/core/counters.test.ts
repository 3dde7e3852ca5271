import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Count, Counters } from '../../src/core/counters.ts';

test('a count adds up over its series, which are kept by their attributes', () => {
  const count = new Count();
  count.add('publish', 'timeout');
  count.add('publish', 'timeout', 4);
  count.add('push');
  count.series('publish', 'price.tick').value += 2;
  assert.equal(count.total, 8);
  assert.equal(count.series('publish', 'price.tick'), count.series('publish', 'price.tick'));
  assert.deepEqual(
    [...count.all()],
    [
      { operation: 'publish', destination: undefined, errorType: 'timeout', value: 5 },
      { operation: 'push', destination: undefined, errorType: undefined, value: 1 },
      { operation: 'publish', destination: 'price.tick', errorType: undefined, value: 2 },
    ],
  );
});

test('beyond the cap destinations share the series other, and nothing is lost', () => {
  const count = new Count(3);
  for (let index = 0; index < 10; index++) count.series('publish', `t.${String(index)}`).value++;
  assert.equal(count.total, 10);
  assert.deepEqual(
    [...count.all()].map(({ destination, value }) => [destination, value]),
    [
      ['t.0', 1],
      ['t.1', 1],
      ['t.2', 1],
      ['other', 7],
    ],
  );
});

test('attributes never run into each other', () => {
  const count = new Count();
  count.series('publish', 'a', undefined).value++;
  count.series('publish', undefined, 'a').value++;
  assert.equal([...count.all()].length, 2);
});

test('the nine documented figures have their documented names', () => {
  assert.deepEqual(new Counters().documented(), {
    messages_sent: 0,
    messages_received: 0,
    errors: 0,
    outbound_dropped: 0,
    inbound_dropped: 0,
    backpressure_events: 0,
    request_timeouts: 0,
    failed_bind_count: 0,
    active_connections: 0,
  });
});
