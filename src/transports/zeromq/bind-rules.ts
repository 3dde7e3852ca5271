/**
 * What may be opened at all: beyond this machine only with CURVE, or where somebody says that the network itself is safe.
 *
 * Loopback is what is written as such: `localhost`, 127.0.0.0/8 and `[::1]`. A wildcard, the name of an interface (also of
 * the loopback one) and any other host count as beyond, because what they mean may change after it was checked.
 */
import { BusError } from '../../core/errors.ts';
import type { LinkSpec } from '../../core/transport.ts';
import { parseEndpoint } from './endpoint.ts';
import type { ZeromqSettings } from './settings.ts';

const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|localhost|\[::1\])$/;

/** Whether binding the endpoint lets other machines in. */
export function isBeyondLoopback(endpoint: string): boolean {
  const { scheme, address } = parseEndpoint(endpoint);
  return scheme === 'tcp' && !LOOPBACK.test(address);
}

/** To be called before a socket is made. @throws BusError INSECURE_BIND, or UNSUPPORTED where CURVE is not set up for it */
export function expectAllowed({ mode, endpoint }: Pick<LinkSpec, 'mode' | 'endpoint'>, settings: ZeromqSettings): void {
  const { curve, insecure } = settings;
  if (curve !== undefined) {
    const fault = inprocFault(endpoint) ?? curve.fault(mode, endpoint);
    if (fault === undefined) return;
    throw new BusError('UNSUPPORTED', fault, { endpoint, hint: 'With `curve` no socket is opened without it.' });
  }
  if (mode !== 'bind' || insecure || !isBeyondLoopback(endpoint)) return;
  throw new BusError('INSECURE_BIND', 'Whoever reaches this address could read and send everything', {
    endpoint,
    hint:
      'Set up `zeromq({ curve: { server } })`; or bind `tcp://127.0.0.1:...` or an `ipc://` path; ' +
      'or say `zeromq({ insecure: true })` where the network itself keeps strangers out.',
  });
}

/** Why CURVE cannot be had at an endpoint, whatever its mode; undefined when it can. */
export function inprocFault(endpoint: string): string | undefined {
  if (parseEndpoint(endpoint).scheme !== 'inproc') return undefined;
  return 'inproc has no CURVE: libzmq would ignore it';
}
