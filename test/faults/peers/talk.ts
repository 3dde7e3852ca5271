/** How a peer talks with the test that started it: lines of JSON, answers on standard output, commands on standard input. */
import { createInterface } from 'node:readline';

export function say(what: unknown): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

/** Calls `obey` for each command, one after the other; the peer ends with the test that started it. */
export function onCommand(obey: (command: Record<string, unknown>) => unknown): void {
  let last: Promise<unknown> = Promise.resolve();
  createInterface({ input: process.stdin })
    .on('line', (line) => {
      last = last.then(() => obey(JSON.parse(line) as Record<string, unknown>));
    })
    .on('close', () => process.exit());
}
