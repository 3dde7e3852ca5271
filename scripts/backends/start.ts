/**
 * The Collector, Jaeger and Prometheus on this machine, with the project's own configuration files: for the tests, the pictures and
 * `npm run observability`. They listen on the loopback interface alone, keep nothing, and end with whoever started them.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { JaegerApi } from './jaeger-api.ts';
import { freePorts, freePortsFrom } from './ports.ts';
import { ensurePrograms } from './programs.ts';
import type { Programs } from './programs.ts';
import { PrometheusApi } from './prometheus-api.ts';
import { start } from './running.ts';
import type { Command, Running } from './running.ts';

/** A process to be scraped. */
export interface Target {
  /** Of its metrics; the path is `/metrics`. */
  readonly url: string;
  /** The label `job` of its series: the service. @default tracebus */
  readonly job?: string;
}

export interface BackendsOptions {
  /** Alert rules instead of observability/prometheus/rules.yml. */
  readonly rulesFile?: string;
  /** How often Prometheus scrapes and evaluates rules, in seconds. @default as in observability/prometheus.yml */
  readonly intervalSeconds?: number;
  /** How often the Collector makes metrics from spans, in seconds. @default the interval of Prometheus, or 5 */
  readonly spanMetricsSeconds?: number;
  /** The usual ports (4317, 4318, 16686, 9090, ...), or the next that are free, instead of any free ones. @default false */
  readonly usualPorts?: boolean;
  /** Told when a program ends although nobody asked it to. @default an error on standard error and exit code 1 */
  readonly onEnd?: (why: Error) => void;
}

export interface Backends extends AsyncDisposable {
  readonly programs: Programs;
  /** Holds logs and data until `stop()`. */
  readonly folder: string;
  readonly collector: {
    /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
    readonly otlpHttp: string;
    readonly otlpGrpc: string;
    /** What Prometheus scrapes. */
    readonly prometheusUrl: string;
  };
  readonly jaeger: { readonly queryUrl: string; readonly api: JaegerApi };
  readonly prometheus: {
    readonly url: string;
    readonly api: PrometheusApi;
    /** The configuration file that it runs with. */
    readonly configFile: string;
    /** Scrapes these as well, from the next second or so on. */
    addTargets(targets: readonly Target[]): void;
    /** Scrapes these and no others; the Collector stays. */
    setTargets(targets: readonly Target[]): void;
  };
  /** Process ids, by program. */
  readonly pids: Readonly<Record<string, number | undefined>>;
  /** The last lines that each has written. */
  tails(): string;
  /** Ends all of them and removes the folder. */
  stop(): Promise<void>;
}

const ROOT = new URL('../../', import.meta.url);
const COLLECTOR_CONFIG = fileURLToPath(new URL('otel-collector.yaml', ROOT));
const JAEGER_CONFIG = fileURLToPath(new URL('observability/jaeger.yaml', ROOT));
const PROMETHEUS_CONFIG = fileURLToPath(new URL('observability/prometheus.yml', ROOT));
const RULES = fileURLToPath(new URL('observability/prometheus/rules.yml', ROOT));

/** As in the configuration files. The order is that of `Ports`. */
const USUAL_PORTS = [4317, 4318, 8889, 13133, 4319, 16686, 16685, 13134, 9090];

/** Starts all three, after building what is not built yet. @throws Error with the tail of the log of what did not start */
export async function startBackends(options: BackendsOptions = {}): Promise<Backends> {
  const programs = await ensurePrograms();
  const ports = await (options.usualPorts ? freePortsFrom(USUAL_PORTS) : freePorts(USUAL_PORTS.length));
  const [grpc, http, exporter, collectorHealth, jaegerOtlp, query, queryGrpc, jaegerHealth, prom] = ports.map(
    (port) => `127.0.0.1:${port}`,
  ) as [string, string, string, string, string, string, string, string, string];

  const folder = mkdtempSync(path.join(tmpdir(), 'tracebus-backends-'));
  const configFile = writePrometheusConfig(folder, options);
  const targets = new Map<string, Target>();
  const writeTargets = (): void => {
    writeJson(path.join(folder, 'prometheus/targets/services.json'), [...targets.values()].map(staticConfig));
  };
  writeTargets();
  writeJson(path.join(folder, 'prometheus/targets/collector.json'), [{ targets: [exporter] }]);

  const commands: Omit<Command, 'folder'>[] = [
    {
      name: 'prometheus',
      path: programs.prometheus.path,
      args: [
        `--config.file=${configFile}`,
        `--storage.tsdb.path=${path.join(folder, 'data')}`,
        `--web.listen-address=${prom}`,
        '--enable-feature=exemplar-storage',
        '--log.level=warn',
      ],
      health: `http://${prom}/-/ready`,
    },
    {
      name: 'jaeger',
      path: programs.jaeger.path,
      args: ['--config', `file:${JAEGER_CONFIG}`],
      env: {
        JAEGER_OTLP_ENDPOINT: jaegerOtlp,
        JAEGER_QUERY_ENDPOINT: query,
        JAEGER_QUERY_GRPC_ENDPOINT: queryGrpc,
        JAEGER_HEALTH_ENDPOINT: jaegerHealth,
        PROMETHEUS_URL: `http://${prom}`,
      },
      health: `http://${jaegerHealth}/status`,
    },
    {
      name: 'collector',
      path: programs.collector.path,
      args: ['--config', COLLECTOR_CONFIG],
      env: {
        COLLECTOR_OTLP_GRPC_ENDPOINT: grpc,
        COLLECTOR_OTLP_HTTP_ENDPOINT: http,
        COLLECTOR_METRICS_ENDPOINT: exporter,
        COLLECTOR_HEALTH_ENDPOINT: collectorHealth,
        COLLECTOR_SPAN_METRICS_FLUSH: `${options.spanMetricsSeconds ?? options.intervalSeconds ?? 5}s`,
        COLLECTOR_BATCH_TIMEOUT: '200ms',
        JAEGER_OTLP_ENDPOINT: jaegerOtlp,
      },
      health: `http://${collectorHealth}/`,
    },
  ];

  const running: Running[] = [];
  let lastTails: string | undefined;
  const tails = (): string => lastTails ?? running.map((program) => program.tail()).join('\n');
  const showTails = (code: number): void => {
    if (code !== 0) process.stderr.write(`${tails()}\n`);
  };
  const stop = async (): Promise<void> => {
    await Promise.all(running.map((program) => program.stop()));
    lastTails ??= tails();
    rmSync(folder, { recursive: true, force: true });
  };
  const onEnd = options.onEnd ?? endBadly;
  try {
    for (const command of commands) running.push(await start({ ...command, folder }, onEnd));
  } catch (error) {
    await stop();
    throw error;
  }
  process.once('exit', showTails);

  const setTargets = (wanted: readonly Target[]): void => {
    targets.clear();
    for (const target of wanted) targets.set(target.url, target);
    writeTargets();
  };
  return {
    programs,
    folder,
    collector: {
      otlpHttp: `http://${http}`,
      otlpGrpc: `http://${grpc}`,
      prometheusUrl: `http://${exporter}/metrics`,
    },
    jaeger: { queryUrl: `http://${query}`, api: new JaegerApi(`http://${query}`) },
    prometheus: {
      url: `http://${prom}`,
      api: new PrometheusApi(`http://${prom}`),
      configFile,
      addTargets: (more) => {
        setTargets([...targets.values(), ...more]);
      },
      setTargets,
    },
    pids: Object.fromEntries(running.map(({ name, pid }) => [name, pid])),
    tails,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** The project's own file, beside files of targets that can be changed; only the intervals may differ. */
function writePrometheusConfig(folder: string, { rulesFile = RULES, intervalSeconds }: BackendsOptions): string {
  mkdirSync(path.join(folder, 'prometheus/targets'), { recursive: true });
  copyFileSync(rulesFile, path.join(folder, 'prometheus/rules.yml'));
  let text = readFileSync(PROMETHEUS_CONFIG, 'utf8');
  const set = (line: RegExp, seconds: number): void => {
    if (!line.test(text)) throw new Error(`Expected ${PROMETHEUS_CONFIG} to have a line ${String(line)}`);
    text = text.replace(line, `$1${seconds}s`);
  };
  if (intervalSeconds !== undefined) {
    set(/^( *scrape_interval: ).*$/m, intervalSeconds);
    set(/^( *scrape_timeout: ).*$/m, intervalSeconds);
    set(/^( *evaluation_interval: ).*$/m, intervalSeconds);
  }
  const file = path.join(folder, 'prometheus.yml');
  writeFileSync(file, text);
  return file;
}

function staticConfig({ url, job }: Target): { targets: string[]; labels: Record<string, string> } {
  return { targets: [new URL(url).host], labels: job === undefined ? {} : { job } };
}

/** In one step: Prometheus watches the file, and half of one would be an error. */
function writeJson(file: string, value: unknown): void {
  writeFileSync(`${file}.unfinished`, JSON.stringify(value));
  renameSync(`${file}.unfinished`, file);
}

function endBadly(why: Error): void {
  process.stderr.write(`${why.message}\n`);
  process.exitCode = 1;
}
