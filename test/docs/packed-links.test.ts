/** What the README of the package links to is in the package. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

const ROOT = path.resolve(import.meta.dirname, '../..');

interface Packed {
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

function packedFiles(): Packed['files'] {
  const args = ['pack', '--dry-run', '--ignore-scripts', '--json'];
  const json = execFileSync('npm', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return (JSON.parse(json) as readonly Packed[])[0]!.files;
}

test('the relative links of the packed READMEs and of SECURITY.md lead to packed files; pictures are small', () => {
  const files = packedFiles();
  const names = files.map((file) => file.path);
  for (const page of ['README.md', 'README.zh-CN.md', 'SECURITY.md']) {
    assert.ok(names.includes(page), page);
    const links = [...readFileSync(path.join(ROOT, page), 'utf8').matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].map(
      ([, to]) => to!,
    );
    const relative = links.filter((to) => !/^[a-z]+:/.test(to));
    assert.ok(relative.length > 0, page);
    for (const to of relative) {
      const isThere = names.includes(to) || names.some((name) => name.startsWith(`${to.replace(/\/$/, '')}/`));
      assert.ok(isThere, `${page} links to ${to}`);
    }
  }
  for (const { path: name } of files) {
    if (/\.(?:svg|png|jpe?g|gif)$/.test(name)) assert.ok(statSync(path.join(ROOT, name)).size < 100_000, name);
  }
});
