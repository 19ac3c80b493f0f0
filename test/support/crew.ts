import process from 'node:process';
import type { ChildProxy } from './child-proxy.ts';
import { freePort } from './free-port.ts';
import type { LmdbStage } from './lmdb-stage.ts';
import { sendRequest, until } from './send-request.ts';

/** A proxy of several workers on one LMDB environment, and what its operator's port says of it. */
export type CrewStage = {
  readonly proxy: ChildProxy;
  readonly operatorPort: number;
  /** Writes the file it watches, with a change. */
  configure(change: Record<string, unknown>): string;
  status(): Promise<CrewStatus>;
  /** Status as soon as n workers listen. */
  listening(workers: number): Promise<CrewStatus>;
  metrics(): Promise<string>;
};

export type CrewStatus = {
  readonly inFlight: number;
  readonly state: string;
  readonly workers: readonly {
    readonly worker: number;
    readonly pid: number | null;
    readonly state: string;
    readonly inFlight: number;
  }[];
};

export async function crewStage(
  stage: LmdbStage,
  workers: number,
  config: Record<string, unknown> = {},
  // Several processes start at once on a busy machine, and their first writes are slow.
  deadline = '5s',
): Promise<CrewStage> {
  const operatorPort = await freePort();
  // Without a port of its own, health and metrics are served on this one.
  const whole = {
    workers,
    admin: { listen: `127.0.0.1:${operatorPort}` },
    store: { url: `lmdb:${stage.folder.path}/data`, deadline },
    ...config,
  };
  const proxy = await stage.start(whole);
  const status = async (): Promise<CrewStatus> => {
    const answer = await sendRequest(operatorPort, { method: 'GET', path: '/status' });
    // The shape of AdminStatus.
    return JSON.parse(answer.body.toString()) as CrewStatus;
  };
  return {
    proxy,
    operatorPort,
    configure: (change) => stage.configure({ ...whole, ...change }),
    status,
    listening: (wanted) =>
      until(status, (seen) => seen.workers.filter(({ state }) => state === 'listening').length === wanted),
    async metrics() {
      const answer = await sendRequest(operatorPort, { method: 'GET', path: '/metrics' });
      return answer.body.toString();
    },
  };
}

/** Sum of a metric over all its series that carry the text. */
export function sumOf(metrics: string, name: string, carries = ''): number {
  return metrics
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => line.includes(carries))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

export function pidsOf(status: CrewStatus): readonly number[] {
  return status.workers.flatMap(({ pid }) => (pid === null ? [] : [pid]));
}

export function isAlive(pid: number): 'alive' | 'gone' {
  try {
    process.kill(pid, 0);
    return 'alive';
  } catch {
    return 'gone';
  }
}
