/** The spec of a link for tests that open one below the transport, and raw sockets of peers that are not tracebus. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestContext } from 'node:test';
import type { Socket } from 'zeromq';
import { systemClock } from '../../../src/core/clock.ts';
import type { LinkSpec } from '../../../src/core/transport.ts';
import { checkedSettings } from '../../../src/transports/zeromq/options.ts';
import type { ZeromqSettings } from '../../../src/transports/zeromq/settings.ts';
import { Told } from '../conformance/bench.ts';

/** Settings with short waits and without chance. */
export function settingsFor(options: Parameters<typeof checkedSettings>[0] = {}): ZeromqSettings {
  return checkedSettings({ reconnectMs: 5, reconnectMaxMs: 40, random: () => 0, ...options });
}

/** A spec, what its link told, and the lines it logged. */
export function recordedSpec(spec: Pick<LinkSpec, 'endpoint' | 'mode'> & Partial<LinkSpec>): {
  spec: LinkSpec;
  told: Told;
  lines: string[];
} {
  const told = new Told();
  const lines: string[] = [];
  const write = (line: string): void => {
    lines.push(line);
  };
  return {
    told,
    lines,
    spec: {
      hwmPackets: 64,
      closeLingerMs: 100,
      heartbeatMs: 60_000,
      clock: systemClock,
      logger: { debug: write, info: write, warn: write, error: write },
      events: {
        onPeerConnected: () => {
          told.connected++;
        },
        onPeerDisconnected: () => {
          told.disconnected++;
        },
        onFailure: (error) => {
          told.failures.push(error);
        },
        onFact: (fact, reason) => {
          told.facts.push(fact);
          if (fact === 'handshakeFailures') told.reasons.push(reason);
        },
      },
      ...spec,
    },
  };
}

/** A socket of a peer that is not tracebus, closed when the test ends. */
export function rawSocket<S extends Socket>(t: TestContext, socket: S): S {
  t.after(() => {
    socket.close();
  });
  return socket;
}

/** Binds a raw socket to an endpoint that was free a moment ago: its last owner gives it back on another thread. */
export async function bindRaw(socket: Socket, endpoint: string): Promise<string> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      socket.bindSync(endpoint);
      return socket.lastEndpoint ?? endpoint;
    } catch (error) {
      if (attempt >= 500) throw error;
      await sleep(1);
    }
  }
}
