/** Every relative link in the Markdown of the repository leads to a file, and to a heading of it where it names one. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

const ROOT = path.resolve(import.meta.dirname, '../..');
const SKIPPED = new Set(['node_modules', 'dist', 'coverage', '.git']);

function markdownFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (SKIPPED.has(entry.name)) return [];
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) return markdownFiles(file);
    return entry.name.endsWith('.md') ? [file] : [];
  });
}

/** The text without its code, where brackets mean something else. */
function prose(text: string): string {
  return text.replace(/^(```+|~~~+)[^\n]*\n[\s\S]*?^\1[^\n]*$/gm, '').replace(/(`+)[^`].*?\1/g, '');
}

/** Targets of `[text](target "title")`, of images, and of `[name]: target`. */
function targetsOf(text: string): string[] {
  const inline = [...text.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)];
  const named = [...text.matchAll(/^\[[^\]]+\]:\s*<?(\S+?)>?\s*$/gm)];
  return [...inline, ...named].flatMap(([, target]) => (target === undefined ? [] : [target]));
}

/** The anchors that GitHub gives to the headings of a text; the second of a name gets `-1`. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  const withoutCode = text.replace(/^(```+|~~~+)[^\n]*\n[\s\S]*?^\1[^\n]*$/gm, '');
  for (const [, heading = ''] of withoutCode.matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)) {
    const shown = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[*`]/g, '');
    const slug = shown
      .toLowerCase()
      .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '')
      .replaceAll(' ', '-');
    let anchor = slug;
    for (let again = 1; anchors.has(anchor); again++) anchor = `${slug}-${String(again)}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** What is wrong with a link of a file, or undefined. */
function fault(file: string, target: string): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return undefined;
  const [place = '', anchor] = decodeURI(target).split('#');
  if (place.startsWith('/')) return 'is absolute';
  const to = place === '' ? file : path.resolve(path.dirname(file), place);
  if (!to.startsWith(ROOT + path.sep)) return 'leads out of the repository';
  if (!existsSync(to)) return 'leads to no file';
  if (anchor === undefined) return undefined;
  if (statSync(to).isDirectory() || !anchorsOf(readFileSync(to, 'utf8')).has(anchor)) return 'leads to no heading';
  return undefined;
}

const files = markdownFiles(ROOT);

for (const file of files) {
  const name = path.relative(ROOT, file);
  test(`the links of ${name} lead somewhere`, () => {
    const faults = targetsOf(prose(readFileSync(file, 'utf8'))).flatMap((target) => {
      const what = fault(file, target);
      return what === undefined ? [] : [`${target} ${what}`];
    });
    assert.deepEqual(faults, []);
  });
}

test('links are found, and wrong ones are told from right ones', () => {
  const text = 'see [a](b.md), ![c](d.png "e"), [f][g] and `[not](one)`\n```\n[nor](this)\n```\n[g]: h.md#i\n';
  assert.deepEqual(targetsOf(prose(text)), ['b.md', 'd.png', 'h.md#i']);
  assert.deepEqual(
    [...anchorsOf('# A `b`, c!\n## A b c\n```\n# no\n```\n## A b c\n## 中文 标题')],
    ['a-b-c', 'a-b-c-1', 'a-b-c-2', '中文-标题'],
  );
  const readme = path.join(ROOT, 'README.md');
  assert.ok(files.includes(readme));
  const verdicts = [
    'docs/',
    'README.md#tracebus',
    '#tracebus',
    'https://example.org',
    'none.md',
    '#none',
    '../x.md',
    '/x.md',
  ];
  assert.deepEqual(
    verdicts.map((target) => fault(readme, target)),
    [
      undefined,
      undefined,
      undefined,
      undefined,
      'leads to no file',
      'leads to no heading',
      'leads out of the repository',
      'is absolute',
    ],
  );
});
