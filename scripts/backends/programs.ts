/** The four programs: where each comes from, and which version it is. A missing one is an error that says how to get it. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ensureGoProgram } from './go-program.ts';
import type { BuildOptions, GoProgram, Installed } from './go-program.ts';

/** What is run. */
export interface Programs {
  readonly collector: Installed;
  readonly jaeger: Installed;
  readonly prometheus: Installed;
  readonly promtool: Installed;
}

/** The Collector, of the components in observability/collector/builder.yaml. */
const COLLECTOR: GoProgram = {
  name: 'otelcol',
  folder: fileURLToPath(new URL('../../observability/collector', import.meta.url)),
  package: '.',
  module: 'go.opentelemetry.io/collector/otelcol',
};

/** Jaeger v2: its own tags are no versions of a Go module, those of v1 hold both. */
const JAEGER: GoProgram = {
  name: 'jaeger',
  folder: fileURLToPath(new URL('../../observability/jaeger', import.meta.url)),
  package: 'github.com/jaegertracing/jaeger/cmd/jaeger',
  module: 'github.com/jaegertracing/jaeger',
};

/** Finds or builds all of them. @throws Error for the first that cannot be had */
export async function ensurePrograms(options: BuildOptions = {}): Promise<Programs> {
  const { env = process.env } = options;
  const [prometheus, promtool] = [onPath('prometheus', env), onPath('promtool', env)];
  const collector = await ensureGoProgram(COLLECTOR, options);
  const jaeger = await ensureGoProgram(JAEGER, options);
  return { collector, jaeger, prometheus, promtool };
}

/** A line for each program. */
export function listOf(programs: Programs): string {
  return Object.values(programs)
    .map(({ name, version, path }: Installed) => `${name.padEnd(10)}  ${version.padEnd(12)}  ${path}`)
    .join('\n');
}

/** Both programs are in Debian's package `prometheus`. */
function onPath(name: string, env: NodeJS.ProcessEnv): Installed {
  const { status, stdout, stderr } = spawnSync(name, ['--version'], { env, encoding: 'utf8' });
  const version = /version ([^\s,]+)/.exec(`${stdout}${stderr}`)?.[1];
  if (status === 0 && version !== undefined) return { name, version, path: name };
  throw new Error(
    `Expected \`${name}\` on the PATH. Install it: apt-get install prometheus on Debian and Ubuntu (.ci/run does that), ` +
      'https://prometheus.io/download/ elsewhere; or run the same programs in containers: ' +
      'docker compose -f observability/compose.yaml up',
  );
}
