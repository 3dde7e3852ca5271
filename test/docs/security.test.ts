/**
 * docs/security.md and SECURITY.md keep their word: the program is the example that runs, the other TypeScript compiles, the reasons
 * are those of the code, and the limits have the defaults that they say.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { DESTINATION_CAP } from '../../src/core/counters.ts';
import { checkedSettings } from '../../src/transports/zeromq/options.ts';
import { complaints } from '../support/compile.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');
const page = read('docs/security.md');

/** What a block of the page takes as given. */
const GIVEN = `import type { MessageBus } from 'tracebus';
import { importKey, sign } from 'tracebus/middleware';
import type { zeromq } from 'tracebus/zeromq';
declare const bus: MessageBus;
declare const [publicKey, newKey, oldKey]: readonly [string, string, string];
declare const transport: ReturnType<typeof zeromq>;
void [bus, publicKey, newKey, oldKey, transport, importKey, sign];
`;

function rowsUnder(text: string, heading: string): string[][] {
  const section = text.split(/^#{2,3} /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
  const lines = section.split('\n').filter((line) => line.startsWith('|'));
  return lines.slice(2).map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')));
}

test('the complete program of docs/security.md is the one that runs', () => {
  assert.ok(page.includes(`\`\`\`ts\n${read('examples/11-curve.ts')}\`\`\``));
});

test('the TypeScript of docs/security.md compiles', () => {
  const blocks = [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block);
  const parts = blocks.filter((block) => !block.includes('import '));
  assert.equal(parts.length, 2);
  const files = parts.map((block, index) => [
    path.join(ROOT, `security-block-${String(index)}.ts`),
    `${GIVEN}${block}export {};\n`,
  ]);
  assert.deepEqual(complaints(Object.fromEntries(files) as Record<string, string>), []);
});

test('docs/security.md explains each reason why a message is refused, and no other', () => {
  const [, union = ''] = /type RejectionReason =([^;]*);/.exec(read('src/middleware/rejections.ts')) ?? [];
  const reasons = [...union.matchAll(/'(\w+)'/g)].map(([, reason = '']) => reason);
  const explained = rowsUnder(page, 'Reasons').flatMap(([, cell = '']) => cell.split(', '));
  assert.ok(reasons.length > 10);
  assert.deepEqual(explained.sort(), reasons.sort());
});

test('SECURITY.md says the limits as the transport has them', () => {
  const { limits, ...settings } = checkedSettings({});
  const defaults = { ...limits, ...settings } as Readonly<Record<string, unknown>>;
  const rows = rowsUnder(read('SECURITY.md'), 'Limits');
  const ofTransport = rows.filter(([, , option = '']) => option in defaults);
  assert.deepEqual(
    ofTransport.map(([, , option = '', value = '']) => [option, amount(value)]),
    ofTransport.map(([, , option = '']) => [option, defaults[option]]),
  );
  const named = new Set(ofTransport.map(([, , option]) => option));
  const missing = Object.keys(defaults).filter((name) => /^max|^handshake|^backlog/.test(name) && !named.has(name));
  // The largest payload of the decoder is the largest frame of the socket.
  assert.deepEqual(missing, ['maxPayloadBytes']);
  const labels = rows.find(([, what]) => what === 'topics as metric labels');
  assert.equal(amount(labels?.[3] ?? ''), DESTINATION_CAP);
});

/** `64 MB`, `5 s`, `100,000` as a number of bytes, milliseconds or things. */
function amount(text: string): number {
  const [number = '', unit = ''] = text.replaceAll(',', '').split(' ');
  return Number(number) * ({ MB: 2 ** 20, KB: 2 ** 10, s: 1000 }[unit] ?? 1);
}
