/**
 * A peer process of the benchmark. Its argument is a Spec; it prints `{ ready, address }`, then answers each line of its input with one
 * line of JSON: `begin`, `run MS`, `expect COUNT`, `usage`, `end`. What fails is answered as `{ error }`.
 */
import { createInterface } from 'node:readline';
import type { Spec } from '../load.ts';
import { Receiving, ask, send } from './drivers.ts';
import type { Answer } from './drivers.ts';
import type { System } from './system.ts';
import { startSdk } from './telemetry.ts';
import { UsageMeter } from './usage.ts';

interface Part {
  readonly address: string;
  begin?(): void;
  run?(ms: number): Promise<Answer>;
  expect?(count: number): Promise<Answer>;
  close(): Promise<unknown>;
}

const spec = JSON.parse(process.argv[2] ?? '') as Spec;
const meter = new UsageMeter();
/** Between two looks at the heap of a responder. */
const LOOK_EVERY_MS = 5;

const say = (answer: Answer): void => console.log(JSON.stringify(answer));

async function part(system: System): Promise<Part> {
  const { load, role } = spec;
  if (role === 'publish' || role === 'push') {
    const sender = await system.openSender?.(spec);
    if (sender === undefined) throw new Error(`${spec.system} cannot ${role}`);
    return { address: sender.address, run: (ms) => send(sender, load, meter, ms), close: () => sender.close() };
  }
  if (role === 'subscribe' || role === 'pull') {
    const receiving = new Receiving(load, meter);
    const receiver = await system.openReceiver?.(spec, receiving.onBody);
    if (receiver === undefined) throw new Error(`${spec.system} cannot ${role}`);
    return {
      address: receiver.address,
      begin: () => receiving.begin(),
      expect: (count) => receiving.expect(count),
      close: () => receiver.close(),
    };
  }
  if (role === 'request') {
    const requester = await system.openRequester?.(spec);
    if (requester === undefined) throw new Error(`${spec.system} cannot ${role}`);
    return { address: '', run: (ms) => ask(requester, load, meter, ms), close: () => requester.close() };
  }
  const responder = await system.openResponder?.(spec);
  if (responder === undefined) throw new Error(`${spec.system} cannot ${role}`);
  // Answers pass no driver that could look at the heap.
  setInterval(() => meter.sample(), LOOK_EVERY_MS);
  return responder;
}

async function obey(peer: Part, command: string, argument: number): Promise<Answer> {
  if (command === 'run' && peer.run !== undefined) return peer.run(argument);
  if (command === 'expect' && peer.expect !== undefined) return peer.expect(argument);
  if (command === 'usage') return { ...meter.end() };
  if (command !== 'begin') throw new Error(`${spec.role} knows no command "${command}"`);
  peer.begin?.();
  meter.begin();
  return {};
}

const stopSdk = await startSdk(spec);
const { system } = (await import(`./systems/${spec.system}.ts`)) as { system: System };
const peer = await part(system);
say({ ready: true, address: peer.address });
for await (const line of createInterface({ input: process.stdin })) {
  const [command = '', argument] = line.split(' ');
  if (command === 'end') break;
  try {
    say(await obey(peer, command, Number(argument)));
  } catch (error) {
    say({ error: error instanceof Error ? error.message : String(error) });
  }
}
await peer.close();
await stopSdk();
say({ ended: true });
process.exit(0);
