import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointAttributes } from '../../src/middleware/endpoint-attributes.ts';

const cases: [
  endpoint: string,
  address: string | undefined,
  port: number | undefined,
  transport: string | undefined,
][] = [
  ['tcp://127.0.0.1:5555', '127.0.0.1', 5555, 'tcp'],
  ['tcp://bus.example.com:1', 'bus.example.com', 1, 'tcp'],
  ['tcp://[::1]:5555', '::1', 5555, 'tcp'],
  ['tcp://192.168.1.17:0;10.0.0.1:5555', '10.0.0.1', 5555, 'tcp'],
  ['tcp://127.0.0.1:*', '127.0.0.1', undefined, 'tcp'],
  ['tcp://127.0.0.1:0', '127.0.0.1', undefined, 'tcp'],
  ['tcp://*:5555', undefined, undefined, 'tcp'],
  ['tcp://0.0.0.0:5555', undefined, undefined, 'tcp'],
  ['tcp://[::]:5555', undefined, undefined, 'tcp'],
  ['tcp://nonsense', undefined, undefined, 'tcp'],
  ['tcp://', undefined, undefined, 'tcp'],
  ['ipc:///tmp/bus.sock', '/tmp/bus.sock', undefined, 'unix'],
  ['ipc://*', undefined, undefined, 'unix'],
  ['inproc://bus', undefined, undefined, undefined],
  ['memory://bus', undefined, undefined, undefined],
  ['', undefined, undefined, undefined],
];

test('endpoints say which server they name, and nothing where they name none', () => {
  for (const [endpoint, address, port, transport] of cases) {
    const attributes = endpointAttributes(endpoint);
    const seen = [attributes['server.address'], attributes['server.port'], attributes['network.transport']];
    assert.deepEqual([endpoint, ...seen], [endpoint, address, port, transport]);
    assert.equal(Object.isFrozen(attributes), true);
    assert.equal(Object.values(attributes).includes(undefined), false, 'what is unknown is absent');
  }
});
