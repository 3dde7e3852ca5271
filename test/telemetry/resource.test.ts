import assert from 'node:assert/strict';
import { test } from 'node:test';
import { processResource } from '../../src/telemetry/resource.ts';

test('a process tells its host, id and runtime, and neither its command line nor a path', () => {
  const { attributes } = processResource({}).detect();
  assert.deepEqual(Object.keys(attributes), [
    'service.instance.id',
    'host.name',
    'process.pid',
    'process.runtime.name',
    'process.runtime.version',
  ]);
  const told = JSON.stringify(attributes);
  for (const secret of [process.execPath, process.argv[1] ?? '', process.cwd()])
    assert.equal(told.includes(secret), false);
  assert.notEqual(processResource({}).detect().attributes['service.instance.id'], attributes['service.instance.id']);
});

test('the environment adds attributes and the name of the service', () => {
  const OTEL_RESOURCE_ATTRIBUTES = 'service.name=a, service.namespace=shop%20floor,deployment.environment.name=test,';
  const named = processResource({ OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME: 'b' }).detect().attributes;
  assert.equal(named['service.name'], 'b');
  assert.equal(named['service.namespace'], 'shop floor');
  assert.equal(named['deployment.environment.name'], 'test');
  assert.equal(processResource({ OTEL_RESOURCE_ATTRIBUTES }).detect().attributes['service.name'], 'a');
});

test('malformed attributes are ignored as a whole', () => {
  for (const OTEL_RESOURCE_ATTRIBUTES of ['a=1,b', '=x', 'a=%zz']) {
    const { attributes } = processResource({ OTEL_RESOURCE_ATTRIBUTES }).detect();
    assert.equal(Object.keys(attributes).length, 5, OTEL_RESOURCE_ATTRIBUTES);
  }
});
