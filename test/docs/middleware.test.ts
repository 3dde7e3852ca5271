import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import * as middleware from '../../src/middleware/index.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const page = read('docs/middleware.md');

test('the complete examples on the page are those that run', () => {
  for (const name of ['04-your-own-middleware', '09-your-own-signer', '10-your-own-encryption']) {
    assert.ok(page.includes(`\`\`\`ts\n${read(`examples/${name}.ts`)}\`\`\``), name);
  }
});

test('everything that is exported is on the page', () => {
  const missing = Object.keys(middleware).filter((name) => name !== 'CodecError' && !page.includes(name));
  assert.deepEqual(missing, []);
});

test('every option of every middleware is on the page', () => {
  const files = readdirSync(new URL('src/middleware/', root)).filter((name) => name.endsWith('.ts'));
  const options = files.flatMap((name) => optionsIn(read(`src/middleware/${name}`)));
  assert.ok(options.length > 25, `only ${String(options.length)} options were found`);
  assert.deepEqual(
    options.filter(
      (option) => !page.includes(`\`${option}\``) && !page.includes(`{ ${option}`) && !page.includes(` ${option}:`),
    ),
    [],
  );
});

/** The members of each interface whose name ends in Options. */
function optionsIn(source: string): string[] {
  const interfaces = source.matchAll(/^export interface \w+Options(?: extends \w+)? \{\n([^]*?)^\}/gm);
  return [...interfaces].flatMap(([, members = '']) =>
    [...members.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, name = '']) => name),
  );
}
