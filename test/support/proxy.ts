import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startApp } from '../../src/app.ts';
import { loadConfigText } from '../../src/config/load.ts';
import type { App } from '../../src/lifecycle.ts';

/** The whole proxy in this process on a port of its own, with its log in memory. */

export type LogLine = Readonly<Record<string, unknown>>;

export type TestProxy = {
  readonly port: number;
  readonly app: App;
  readonly lines: readonly LogLine[];
  /** Resolves with the first line, past or to come, that fits. */
  logged(fits: (line: LogLine) => boolean): Promise<LogLine>;
  /** Resolves when n requests have ended, the first ones included. */
  ended(requests: number): Promise<readonly LogLine[]>;
  /** Drains, and removes what the store left. */
  close(): Promise<void>;
};

export type ProxyStore = 'memory' | 'lmdb';

/** No wait of a test is right because of this; it turns a hang into a message. */
const PATIENCE_MS = 15_000;

/** A whole configuration; `variables` stand for `${NAME}` in it. */
export async function startProxyWith(
  yaml: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<TestProxy> {
  const loaded = loadConfigText(yaml, 'test.yaml', variables);
  if (loaded.kind === 'faults') throw new Error(loaded.faults.map((fault) => fault.text).join('\n'));
  const lines: LogLine[] = [];
  const watchers = new Set<() => void>();
  const logDestination = {
    write(line: string) {
      // What the log writes is one JSON object a line.
      lines.push(JSON.parse(line) as LogLine);
      for (const watcher of watchers) watcher();
    },
    linesDropped: () => 0,
    close: () => Promise.resolve(),
  };
  const app = await startApp({
    config: loaded.config,
    configFile: null,
    version: '0.0.0-test',
    logDestination,
  });

  function when<T>(what: string, look: () => T | null): Promise<T> {
    return new Promise((resolve, reject) => {
      const watch = (): void => {
        const found = look();
        if (found === null) return;
        watchers.delete(watch);
        clearTimeout(timer);
        resolve(found);
      };
      const timer = setTimeout(() => {
        watchers.delete(watch);
        reject(
          new Error(
            `${what}: not within ${PATIENCE_MS} ms; log:\n${lines.map((line) => JSON.stringify(line)).join('\n')}`,
          ),
        );
      }, PATIENCE_MS);
      watchers.add(watch);
      watch();
    });
  }

  return {
    port: app.address.port,
    app,
    lines,
    logged: (fits) => when('a log line', () => lines.find(fits) ?? null),
    ended: (requests) =>
      when(`${requests} ended requests`, () => {
        const found = lines.filter((line) => line.msg === 'request');
        return found.length >= requests ? found : null;
      }),
    close: () => app.drain(),
  };
}

export type ProxyOptions = {
  readonly upstreamPort: number;
  /** YAML of further fields of `upstream`, in flow form without braces: `headTimeout: 100ms, connections: 1`. */
  readonly upstream?: string;
  /** YAML of `defaults`, in flow form without braces. */
  readonly defaults?: string;
  /** Further YAML at the top level. */
  readonly top?: string;
  readonly store?: ProxyStore;
};

/** Callers without credentials are allowed, unless `defaults` says otherwise. */
export async function startProxy(options: ProxyOptions): Promise<TestProxy> {
  const folder = options.store === 'lmdb' ? await mkdtemp(join(tmpdir(), 'onceward-test-')) : null;
  const store = folder === null ? 'memory:' : `lmdb:${join(folder, 'store')}`;
  const text = [
    'listen: 127.0.0.1:0',
    'observe: off',
    'admin: off',
    `upstream: { url: "http://127.0.0.1:${options.upstreamPort}"${options.upstream === undefined ? '' : `, ${options.upstream}`} }`,
    `store: { url: "${store}", sweepInterval: 1h }`,
    `defaults: { scope: { anonymous: allow }${options.defaults === undefined ? '' : `, ${options.defaults}`} }`,
    options.top ?? '',
  ].join('\n');
  const proxy = await startProxyWith(text);
  if (folder === null) return proxy;
  return {
    ...proxy,
    close: async () => {
      await proxy.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
