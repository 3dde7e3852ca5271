/**
 * Makes the JavaScript of the package: one file for each entry point of package.json, and chunks with what several of them use.
 *
 *   node --import tsx scripts/bundle.ts [FOLDER]     dist unless said otherwise
 *
 * The second half of `npm run build`; the first is `tsc`, which checks src and writes its types. Importing costs by the file more than by the
 * line, which is why src is not published file by file. What is in a chunk is there once, so `instanceof BusError` holds whatever entry
 * point the class came by. Dependencies stay outside, nothing is renamed but what two files call the same, nothing is minified.
 *
 * A process may be importing what is there: files that have not changed are left alone, others are replaced in one step, and what a
 * build before has left is removed last.
 */
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import type { OutputFile, Plugin } from 'esbuild';

const ROOT = path.resolve(import.meta.dirname, '..');
const CORE = path.join(ROOT, 'src', 'core');

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>;
  readonly bin: Readonly<Record<string, string>>;
}

/** The sources of what package.json names in dist. */
function entryPoints(): string[] {
  const { exports, bin } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as Manifest;
  const targets = Object.values(exports).map((target) => (typeof target === 'string' ? target : target.default));
  return [...targets, ...Object.values(bin)]
    .filter((target) => target.endsWith('.js'))
    .map((target) => path.join(ROOT, target.replace(/^(\.\/)?dist\//, 'src/').replace(/\.js$/, '.ts')));
}

/**
 * Lets every entry point import all of the core. esbuild makes a chunk for each set of entry points that share a file, and by what each
 * happens to use the core would fall into ten. Telemetry needs little of it, and is imported by processes that may have no bus.
 */
function coreInOnePiece(entries: readonly string[]): Plugin {
  const whole = new Set(entries.filter((entry) => !entry.startsWith(path.join(ROOT, 'src', 'telemetry') + path.sep)));
  const files = readdirSync(CORE).map((name) => path.join(CORE, name));
  return {
    name: 'core-in-one-piece',
    setup: (esbuild) => {
      esbuild.onLoad({ filter: /\.ts$/ }, ({ path: file }) => {
        if (!whole.has(file)) return undefined;
        const imports = files.filter((one) => one !== file).map((one) => `import ${JSON.stringify(one)};`);
        return { contents: `${readFileSync(file, 'utf8')}\n${imports.join('')}`, loader: 'ts' };
      });
    },
  };
}

async function bundled(outdir: string): Promise<OutputFile[]> {
  const entries = entryPoints();
  const { outputFiles } = await build({
    entryPoints: entries,
    outbase: path.join(ROOT, 'src'),
    outdir,
    write: false,
    bundle: true,
    splitting: true,
    chunkNames: 'chunks/[hash]',
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
  return outputFiles;
}

function isChanged({ path: file, contents }: OutputFile): boolean {
  try {
    return !readFileSync(file).equals(contents);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return true;
  }
}

function replace({ path: file, contents }: OutputFile): void {
  mkdirSync(path.dirname(file), { recursive: true });
  const fresh = `${file}.${String(process.pid)}`;
  writeFileSync(fresh, contents);
  renameSync(fresh, file);
}

const folder = path.resolve(process.argv[2] ?? path.join(ROOT, 'dist'));
const files = await bundled(folder);
files.filter(isChanged).forEach(replace);

const made = new Set(files.map((file) => file.path));
for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
  const file = path.join(folder, name);
  if (/\.js(\.map)?$/.test(name) && !made.has(file)) rmSync(file);
}
