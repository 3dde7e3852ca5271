/**
 * Who may connect to an ipc path: the permissions of its socket file, from the moment it exists. libzmq makes it with what
 * the process's umask leaves, mostly for everybody to connect to. Abstract names (`ipc://@name`) have no permissions.
 */
import { chmodSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import type { Socket } from 'zeromq';
import { parseEndpoint } from './endpoint.ts';

/**
 * Binds, an ipc path with exactly these permissions, for instance 0o600.
 * @param maySetUmask a worker thread may not
 */
export function bindWithMode(
  socket: Pick<Socket, 'bindSync'>,
  endpoint: string,
  ipcMode: number,
  maySetUmask: boolean = isMainThread,
): void {
  const { scheme, address } = parseEndpoint(endpoint);
  const isPath = scheme === 'ipc' && !address.startsWith('@');
  if (!isPath) {
    // Not bind(): it runs on a pool thread, throws EBUSY at every other call meanwhile and delays close().
    socket.bindSync(endpoint);
  } else if (maySetUmask) {
    const before = process.umask(0o777 & ~ipcMode);
    try {
      socket.bindSync(endpoint);
    } finally {
      process.umask(before);
    }
  } else {
    // For an instant the file has the permissions that the process's umask leaves.
    socket.bindSync(endpoint);
    chmodSync(address, ipcMode);
  }
}
