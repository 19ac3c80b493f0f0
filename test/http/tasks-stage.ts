import { loadConfigText } from '../../src/config/load.ts';
import { type Arrival, startCountingBackend } from '../support/counting-backend.ts';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';
import { type Answer, keyed, sendRequest } from '../support/send-request.ts';
import { until } from '../support/until.ts';
import type { Stage } from './stage.ts';

/** One proxy whose routes have tasks, before a backend that answers when the test says so. */

export type Stand = {
  readonly proxy: TestProxy;
  /** All that have come, in order. */
  readonly held: readonly Arrival[];
  /** Resolves at the nth arrival, from 1. */
  arrived(nth: number): Promise<Arrival>;
  /** Another configuration, by the options that differ. */
  reload(options: StandOptions): void;
};

export type StandOptions = {
  /** YAML of `task`. */
  readonly task?: string;
  /** Further YAML at the top level. */
  readonly top?: string;
  /** Further YAML of the route. */
  readonly route?: string;
  readonly drain?: string;
};

export async function standTasks(stage: Stage, options: StandOptions = {}): Promise<Stand> {
  const held: Arrival[] = [];
  const backend = await startCountingBackend((arrival) => held.push(arrival));
  stage.atEnd(() => backend.close());
  const proxy = await startProxyWith(yamlOf(backend.origin, options));
  stage.atEnd(() => proxy.close());
  return {
    proxy,
    held,
    arrived: (nth) => until(`arrival ${nth}`, async () => held[nth - 1] ?? null),
    reload: (changed) =>
      proxy.app.reload(loadConfigText(yamlOf(backend.origin, { ...options, ...changed }), 'test.yaml', {})),
  };
}

function yamlOf(origin: string, options: StandOptions): string {
  const { task = '{}', top = '', route = '', drain = '0s' } = options;
  return `
listen: 127.0.0.1:0
observe: { listen: 127.0.0.1:0 }
admin: off
store: "memory:"
drain: { timeout: ${drain} }
upstream: { url: "${origin}" }
${top}
defaults: { task: ${task} }
routes:
  - name: charges
    match: { path: /charges/** }
${route}
`;
}

export function startTask(
  { proxy }: Stand,
  key: string,
  prefer: string | string[] | null = 'respond-async',
  caller = 'Bearer one',
  path = '/charges',
): Promise<Answer> {
  return sendRequest(proxy.port, {
    path,
    headers: { ...keyed(key, caller), ...(prefer === null ? {} : { Prefer: prefer }) },
  });
}

export function get(
  { proxy }: Stand,
  path: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return sendRequest(proxy.port, {
    method: 'GET',
    path: String(path),
    headers: { Authorization: 'Bearer one', ...headers },
  });
}

export function json(answer: Answer): Record<string, unknown> {
  return JSON.parse(answer.body.toString('utf8'));
}

export async function metricsOf({ proxy }: Stand): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${proxy.app.observeAddress?.port}/metrics`);
  return await answer.text();
}

/** Null: nobody does. */
export async function waiting(at: Stand): Promise<string | null> {
  return /^onceward_joined_waiters [1-9]/m.exec(await metricsOf(at))?.[0] ?? null;
}
