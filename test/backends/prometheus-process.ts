/** A real Prometheus on a free loopback port, which scrapes what it is told to, and the questions that tests ask it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { stringify } from 'yaml';
import { freePort } from '../support/free-port.ts';

const START_BOUND_MS = 20_000;
const ASK_AGAIN_MS = 50;

/** What to scrape: the job is the name of the service. */
export interface Target {
  readonly job: string;
  readonly url: string;
}

/** What it evaluates and what it scrapes, both at this interval. */
export interface PrometheusSetting {
  readonly intervalMs: number;
  readonly rules: string;
  readonly targets: readonly Target[];
}

/** A series of an answer. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  /** Time in seconds, and the value. */
  readonly values: readonly (readonly [time: number, value: string])[];
}

/** An alert that is pending or fires. */
export interface ActiveAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: 'pending' | 'firing';
}

/** See the head of this file. */
export class PrometheusProcess {
  readonly #url: string;
  readonly #intervalMs: number;

  private constructor(url: string, intervalMs: number) {
    this.#url = url;
    this.#intervalMs = intervalMs;
  }

  /** Starts it, and ends it with the test. A machine without it is told how to get it. */
  static async start(t: TestContext, { intervalMs, rules, targets }: PrometheusSetting): Promise<PrometheusProcess> {
    const folder = mkdtempSync(path.join(tmpdir(), 'tracebus-prometheus-'));
    const interval = `${String(intervalMs)}ms`;
    writeFileSync(path.join(folder, 'rules.yml'), rules);
    writeFileSync(
      path.join(folder, 'prometheus.yml'),
      stringify({
        global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
        rule_files: ['rules.yml'],
        scrape_configs: targets.map(({ job, url }) => ({
          job_name: job,
          static_configs: [{ targets: [new URL(url).host] }],
        })),
      }),
    );
    const address = `127.0.0.1:${String(await freePort())}`;
    const options = ['config.file=prometheus.yml', 'storage.tsdb.path=data', `web.listen-address=${address}`];
    const child = spawn('prometheus', [...options.map((one) => `--${one}`), '--log.level=warn'], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let complaints = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text));
    const ended = once(child, 'exit').catch((error: unknown) => {
      complaints += `${String(error)}. Install Prometheus, for instance with: apt-get install prometheus`;
    });
    t.after(async () => {
      child.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true });
    });

    const end = performance.now() + START_BOUND_MS;
    for (;;) {
      const answer = await fetch(`http://${address}/-/ready`).catch(() => undefined);
      await answer?.arrayBuffer();
      if (answer?.ok === true) return new PrometheusProcess(`http://${address}`, intervalMs);
      if (child.pid === undefined || child.exitCode !== null) await ended;
      else if (performance.now() < end) {
        await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
        continue;
      }
      assert.fail(`Prometheus did not start: ${complaints}`);
    }
  }

  /** What an expression was between two times in milliseconds, at each interval. */
  async range(expr: string, fromMs: number, toMs: number): Promise<Series[]> {
    const parameters = {
      query: expr,
      start: String(fromMs / 1000),
      end: String(toMs / 1000),
      step: String(this.#intervalMs / 1000),
    };
    return (await this.#ask<{ result: Series[] }>('query_range', parameters)).result;
  }

  /** The values of a label among some series. */
  labelValues(label: string, selector: string): Promise<string[]> {
    return this.#ask(`label/${label}/values`, { 'match[]': selector });
  }

  async alerts(): Promise<ActiveAlert[]> {
    return (await this.#ask<{ alerts: ActiveAlert[] }>('alerts', {})).alerts;
  }

  async #ask<T>(what: string, parameters: Record<string, string>): Promise<T> {
    const answer = await fetch(`${this.#url}/api/v1/${what}?${String(new URLSearchParams(parameters))}`);
    const { data, error } = (await answer.json()) as { data: T; error?: string };
    assert.ok(answer.ok, `${JSON.stringify(parameters)}: ${String(error)}`);
    return data;
  }
}
