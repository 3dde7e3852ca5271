/**
 * Makes the JavaScript of the package: one file for each entry point of package.json, and chunks with what several of them use.
 *
 *   node --import tsx scripts/bundle.ts [FOLDER]     dist unless said otherwise
 *
 * The second half of `npm run build`; the first is `tsc`, which checks src and writes its types. Importing costs by the file more than by the
 * line, which is why src is not published file by file. What is in a chunk is there once, so `instanceof BusError` holds whatever entry
 * point the class came by. Dependencies stay outside, nothing is renamed but what two files call the same, nothing is minified.
 *
 * A process may be importing what is there: files that have not changed are left alone, others are replaced in one step, chunks before the
 * entry points that import them, and what a build before has left is removed last.
 */
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import type { OutputFile, Plugin } from 'esbuild';

const ROOT = path.resolve(import.meta.dirname, '..');
const CHUNKS = 'chunks';
const CORE = path.join(ROOT, 'src', 'core');

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>;
  readonly bin: Readonly<Record<string, string>>;
}

/** A file and what it is to hold. */
type Built = Pick<OutputFile, 'path' | 'contents'>;

/** The sources of what package.json names in dist. */
function entryPoints(): string[] {
  const { exports, bin } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as Manifest;
  const targets = Object.values(exports).map((target) => (typeof target === 'string' ? target : target.default));
  return [...targets, ...Object.values(bin)]
    .filter((target) => target.endsWith('.js'))
    .map((target) => path.join(ROOT, target.replace(/^(\.\/)?dist\//, 'src/').replace(/\.js$/, '.ts')));
}

/** What stands at the end of the entry points below while they are built, and for what. */
const WHOLE_CORE = 'whole-core';
const IMPORT = `\nimport '${WHOLE_CORE}';`;

/**
 * Lets every entry point import all of the core. esbuild makes a chunk for each set of entry points that share a file, and by what each
 * happens to use the core would fall into ten. Telemetry needs little of it, and is imported by processes that may have no bus.
 */
function coreInOnePiece(entries: readonly string[]): Plugin {
  const whole = new Set(entries.filter((entry) => !entry.startsWith(path.join(ROOT, 'src', 'telemetry') + path.sep)));
  // By their names alone: what is built must not depend on the folder of this checkout.
  const contents = readdirSync(CORE).map((name) => `import ${JSON.stringify(`./${name}`)};`);
  return {
    name: 'core-in-one-piece',
    setup: (esbuild) => {
      esbuild.onResolve({ filter: new RegExp(`^${WHOLE_CORE}$`) }, () => ({ path: WHOLE_CORE, namespace: WHOLE_CORE }));
      esbuild.onLoad({ filter: /.*/, namespace: WHOLE_CORE }, () => ({
        contents: contents.join('\n'),
        resolveDir: CORE,
      }));
      esbuild.onLoad({ filter: /\.ts$/ }, ({ path: file }) =>
        whole.has(file) ? { contents: readFileSync(file, 'utf8') + IMPORT, loader: 'ts' } : undefined,
      );
    },
  };
}

async function bundled(outdir: string): Promise<Built[]> {
  const entries = entryPoints();
  const { outputFiles } = await build({
    entryPoints: entries,
    outbase: path.join(ROOT, 'src'),
    outdir,
    write: false,
    bundle: true,
    splitting: true,
    chunkNames: `${CHUNKS}/[hash]`,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
    ignoreAnnotations: true, // `sideEffects` in package.json would drop the imports of coreInOnePiece
    sourcemap: true, // with the sources, which are not in the package
    plugins: [coreInOnePiece(entries)],
    absWorkingDir: ROOT,
    logLevel: 'warning',
  });
  return outputFiles.map(asWritten);
}

/** A source map shows the sources as they are in src. */
function asWritten(file: OutputFile): Built {
  if (!file.path.endsWith('.map')) return file;
  return { path: file.path, contents: Buffer.from(file.text.replaceAll(JSON.stringify(IMPORT).slice(1, -1), '')) };
}

function isChanged({ path: file, contents }: Built): boolean {
  try {
    return !readFileSync(file).equals(contents);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return true;
  }
}

function replace({ path: file, contents }: Built): void {
  mkdirSync(path.dirname(file), { recursive: true });
  const fresh = `${file}.${String(process.pid)}`;
  writeFileSync(fresh, contents);
  renameSync(fresh, file);
}

const folder = path.resolve(process.argv[2] ?? path.join(ROOT, 'dist'));
const files = await bundled(folder);
const changed = files.filter(isChanged);
const chunks = changed.filter(({ path: file }) => file.startsWith(path.join(folder, CHUNKS) + path.sep));
// Nobody asks for a new chunk before an entry point that names it is there.
for (const file of new Set([...chunks, ...changed])) replace(file);

const made = new Set(files.map((file) => file.path));
for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
  const file = path.join(folder, name);
  // Another build may be removing the same.
  if (/\.js(\.map)?$/.test(name) && !made.has(file)) rmSync(file, { force: true });
}
