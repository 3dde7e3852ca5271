/** One round of one row: its processes are started, warmed up, measured and ended. A message that is lost or doubled is an error. */
import type { Percentiles } from './histogram.ts';
import type { Load, Role, Spec } from './load.ts';
import type { Outside } from './outside/needs.ts';
import { PeerProcess } from './peer-process.ts';
import type { Row } from './rows.ts';

/** What one side has spent on one message: of request and respond, on one call. */
export interface Cost {
  readonly cpuUs: number;
  readonly heapBytes: number;
}

export interface Round {
  /** Messages, or calls, per second. */
  readonly rate: number;
  readonly count: number;
  readonly send: Cost;
  /** The mean of the receivers. */
  readonly receive: Cost;
  readonly latency?: Percentiles;
  /** The share of spans that the SDK dropped on the way to the sink, warm-up included. */
  readonly spansDropped?: number;
}

/** How long a round runs, in milliseconds. */
export interface Timing {
  readonly warmUpMs: number;
  readonly runMs: number;
}

const ROLES: Readonly<Record<Load['pattern'], { readonly binds: Role; readonly connects: Role }>> = {
  publish: { binds: 'publish', connects: 'subscribe' },
  push: { binds: 'pull', connects: 'push' },
  request: { binds: 'respond', connects: 'request' },
};

/** Raw subscriptions need a moment to arrive: there is nothing that says when. */
const SUBSCRIPTION_TRAVELS_MS = 300;
const UNANNOUNCED = ['raw-zeromq', 'libzmq'];
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export async function playRound(row: Row, load: Load, timing: Timing, outside: Outside): Promise<Round> {
  const peers: PeerProcess[] = [];
  try {
    const start = async (role: Role, address: string): Promise<PeerProcess> => {
      const peer = await startPeer(row, { role, load, address }, outside);
      peers.push(peer);
      return peer;
    };
    const { binds, connects } = ROLES[load.pattern];
    const first = await start(binds, outside.addressOf(row.system));
    const address = first.address === '' ? outside.addressOf(row.system) : first.address;
    const count = load.pattern === 'publish' ? load.receivers : 1;
    const others = await Promise.all(Array.from({ length: count }, () => start(connects, address)));
    if (load.pattern === 'publish' && UNANNOUNCED.includes(row.system)) await pause(SUBSCRIPTION_TRAVELS_MS);
    const [sender, receivers] = load.pattern === 'publish' ? [first, others] : [others[0] as PeerProcess, [first]];
    if (isTraced(row)) await outside.takeSpans();
    const warmUp = await measure(sender, receivers, load, timing.warmUpMs);
    const round = await measure(sender, receivers, load, timing.runMs);
    await Promise.all(peers.map((peer) => peer.stop()));
    if (!isTraced(row)) return round;
    const spans = (warmUp.count + round.count) * (1 + receivers.length);
    return { ...round, spansDropped: 1 - (await outside.takeSpans()) / spans };
  } finally {
    await Promise.all(peers.map((peer) => peer.kill()));
  }
}

const isTraced = ({ variant }: Row): boolean => variant?.telemetry === '100%-otlp';

function startPeer(
  row: Row,
  { role, load, address }: Pick<Spec, 'role' | 'load' | 'address'>,
  outside: Outside,
): Promise<PeerProcess> {
  if (row.system === 'libzmq') {
    const { file, env } = outside.libzmq;
    return PeerProcess.start(file, [role, String(load.bytes), load.body, address], env);
  }
  const { system, variant = {} } = row;
  const spec: Spec = { system, role, load, variant, address, sink: outside.sinkAddress, packages: outside.folder };
  return PeerProcess.startScript('main', JSON.stringify(spec));
}

async function measure(sender: PeerProcess, receivers: readonly PeerProcess[], load: Load, ms: number): Promise<Round> {
  await Promise.all([...receivers, sender].map((peer) => peer.ask('begin')));
  const ran = await sender.ask(`run ${String(ms)}`);
  const count = Number(ran['sent']);
  const isCall = load.pattern === 'request';
  const results = isCall ? [ran] : await Promise.all(receivers.map((peer) => peer.ask(`expect ${String(count)}`)));
  const cost = async (peer: PeerProcess): Promise<Cost> => {
    const { cpuUs, heapBytes } = await peer.ask('usage');
    return { cpuUs: Number(cpuUs) / count, heapBytes: Number(heapBytes) / count };
  };
  const [send, ...receive] = await Promise.all([sender, ...receivers].map(cost));
  const mean = (pick: keyof Cost): number => receive.reduce((sum, one) => sum + one[pick], 0) / receive.length;
  const latency = results[0]?.['latency'] as Percentiles | undefined;
  return {
    rate: Math.min(...results.map((result) => Number(result['rate']))),
    count,
    send: send as Cost,
    receive: { cpuUs: mean('cpuUs'), heapBytes: mean('heapBytes') },
    ...(latency !== undefined && { latency }),
  };
}
