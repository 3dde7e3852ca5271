/**
 * What a process says about itself with everything it exports: host, process id, runtime, and what OTEL_RESOURCE_ATTRIBUTES
 * and OTEL_SERVICE_NAME add. Instead of the SDK's detectors, which also tell the command line and the paths of the
 * executable: these hold secrets now and then, and Prometheus would show them to whoever may scrape.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Attributes } from '@opentelemetry/api';
import type { Environment } from './settings.ts';

/** The attributes of this process, in the shape of the SDK's resource detectors. */
export function processResource(env: Environment): { detect(): { attributes: Attributes } } {
  const attributes: Attributes = {
    'service.instance.id': randomUUID(),
    'host.name': hostname(),
    'process.pid': process.pid,
    'process.runtime.name': 'nodejs',
    'process.runtime.version': process.versions.node,
    ...resourceAttributes(env.OTEL_RESOURCE_ATTRIBUTES ?? ''),
  };
  const serviceName = env.OTEL_SERVICE_NAME;
  if (serviceName !== undefined && serviceName !== '') attributes['service.name'] = serviceName;
  return { detect: () => ({ attributes }) };
}

/** `key=value,key=value`, percent-encoded; the specification says to ignore the whole when a part of it is malformed. */
function resourceAttributes(list: string): Attributes {
  const attributes: Attributes = {};
  for (const pair of list.split(',')) {
    if (pair.trim() === '') continue;
    const at = pair.indexOf('=');
    const key = pair.slice(0, at).trim();
    if (at < 0 || key === '') return {};
    try {
      attributes[decodeURIComponent(key)] = decodeURIComponent(pair.slice(at + 1).trim());
    } catch {
      return {};
    }
  }
  return attributes;
}
