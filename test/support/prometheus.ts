import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';

/** A real Prometheus that scrapes the given targets once a second, and promtool. Debian package: prometheus. */

const PROMETHEUS = '/usr/bin/prometheus';
const PROMTOOL = '/usr/bin/promtool';
const START_MS = 30_000;

export type ScrapeTarget = { readonly job: string; readonly hostPort: string; readonly path: string };

export type Prometheus = {
  /** The value of an instant query with exactly one result, once `holds` accepts it; rejects after deadlineMs. */
  valueWhen(query: string, holds: (value: number) => boolean, deadlineMs: number): Promise<number>;
  stop(): Promise<void>;
};

export async function startPrometheus(targets: readonly ScrapeTarget[]): Promise<Prometheus> {
  needBinary(PROMETHEUS);
  const folder = await mkdtemp(join(tmpdir(), 'onceward-prometheus-'));
  const configFile = join(folder, 'prometheus.yml');
  await writeFile(configFile, JSON.stringify(scrapeConfig(targets)));
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const child = spawn(
    PROMETHEUS,
    [
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const complaints = collectText(child);
  const stop = async (): Promise<void> => {
    await ended(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await until(START_MS, async () => {
      if (child.exitCode !== null)
        throw new Error(`prometheus ended with ${child.exitCode}: ${complaints()}`);
      return (await fetch(`${origin}/-/ready`).catch(() => null))?.ok === true ? 'ready' : null;
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    valueWhen(query, holds, deadlineMs) {
      return until(deadlineMs, async () => {
        const value = await instantValue(origin, query);
        return value !== null && holds(value) ? value : null;
      });
    },
    stop,
  };
}

/** What `promtool check metrics` says of an exposition in the text format: exit code and complaints. */
export function checkMetrics(exposition: string): {
  readonly status: number | null;
  readonly output: string;
} {
  needBinary(PROMTOOL);
  const ran = spawnSync(PROMTOOL, ['check', 'metrics'], { input: exposition, encoding: 'utf8' });
  return { status: ran.status, output: `${ran.stdout}${ran.stderr}`.trim() };
}

function needBinary(file: string): void {
  if (!existsSync(file)) throw new Error(`${file} is missing; install it first: apt-get install prometheus`);
}

function scrapeConfig(targets: readonly ScrapeTarget[]): object {
  return {
    global: { scrape_interval: '1s', scrape_timeout: '1s' },
    scrape_configs: targets.map(({ job, hostPort, path }) => ({
      job_name: job,
      metrics_path: path,
      static_configs: [{ targets: [hostPort] }],
    })),
  };
}

async function instantValue(origin: string, query: string): Promise<number | null> {
  const response = await fetch(`${origin}/api/v1/query?query=${encodeURIComponent(query)}`);
  // The shape of the query API of Prometheus, version 1.
  const answer = (await response.json()) as {
    data?: { result?: readonly { value: readonly [number, string] }[] };
  };
  const result = answer.data?.result ?? [];
  return result.length === 1 && result[0] !== undefined ? Number(result[0].value[1]) : null;
}

const POLL_MS = 100;

/** Asks again until there is a value; the deadline is an error. */
async function until<T>(deadlineMs: number, ask: () => Promise<T | null>): Promise<T> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    const value = await ask();
    if (value !== null) return value;
    if (performance.now() > endMs) throw new Error(`prometheus had no such answer within ${deadlineMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function collectText(child: ChildProcess): () => string {
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-4_000);
  });
  return () => text;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exited;
}
