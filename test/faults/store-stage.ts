import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { STRANGER } from '../../src/core/caller.ts';
import { recordKey } from '../../src/core/record-key.ts';
import { readScope } from '../../src/core/scope.ts';
import { baseConfig, temporaryFolder } from '../support/child-proxy.ts';
import { type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { startRedisServer } from '../support/redis-server.ts';
import { keyed } from '../support/send-request.ts';
import type { FaultResult, Figure } from './fault-script.ts';

/** A backend, and a store that survives the proxies before it. */
export type StoreStage = {
  readonly kind: 'lmdb' | 'redis';
  readonly backend: CountingBackend;
  /** Of the Redis; null: no server. */
  readonly storePort: number | null;
  readonly versions: readonly string[];
  /** Writes a configuration of its own for one proxy and returns its path. */
  configure(choice: StageChoice): string;
  /** What LMDB takes on the disk; 0 with a server. */
  storeBytes(): number;
  close(): Promise<void>;
};

export type StageChoice = {
  /** In place of the backend's: a relay before it. */
  readonly upstreamPort?: number;
  /** In place of the store's. */
  readonly storePort?: number | null;
  readonly defaults?: Readonly<Record<string, unknown>>;
  /** Further members of `store`. */
  readonly store?: Readonly<Record<string, unknown>>;
  /** Further sections. */
  readonly sections?: Readonly<Record<string, unknown>>;
};

const SECRET = 'a secret of forty characters for testing';

/** Redis with `appendfsync always`. */
export async function storeStage(kind: StoreStage['kind']): Promise<StoreStage> {
  const backend = await startCountingBackend();
  const folder = temporaryFolder();
  const redis = kind === 'redis' ? await startRedisServer({ appendfsync: 'always' }) : null;
  let written = 0;
  return {
    kind,
    backend,
    storePort: redis?.port ?? null,
    versions: redis === null ? [] : [versionOf('redis-server')],
    configure(choice) {
      written += 1;
      const url =
        redis === null ? `lmdb:${folder.path}/data` : `redis://127.0.0.1:${choice.storePort ?? redis.port}/0`;
      const upstream = `http://127.0.0.1:${choice.upstreamPort ?? backend.port}`;
      // A short deadline lets the lease be short, and with it the wait for its end.
      const config = {
        ...baseConfig(upstream, { url, deadline: '500ms', ...choice.store }),
        ...(redis === null ? {} : { secrets: [SECRET] }),
        ...(choice.defaults === undefined ? {} : { defaults: choice.defaults }),
        ...choice.sections,
      };
      return folder.config(config, `onceward-${written}.yaml`);
    },
    storeBytes() {
      if (redis !== null) return 0;
      const path = join(folder.path, 'data');
      // Blocks, not lengths: a file may have holes.
      return readdirSync(path).reduce((sum, file) => sum + statSync(join(path, file)).blocks * 512, 0);
    },
    async close() {
      await backend.close();
      await redis?.remove();
      folder.remove();
    },
  };
}

/** As a staged Redis keeps the key of a `keyed` request. */
export function stagedRecordKey(key: string): string {
  const rawHeaders = Object.entries(keyed(key)).flat();
  const scope = readScope(
    { headers: ['authorization'], anonymous: 'refuse' },
    { method: 'POST', target: '/', httpVersion: '1.1', rawHeaders },
    STRANGER,
  );
  if (scope.kind !== 'scope') throw new Error('a keyed request has a scope');
  return recordKey(Buffer.from(SECRET, 'utf8'), 'default', scope.scope, key);
}

/** Name and version of a program of others, as it says them itself. */
export function versionOf(program: 'redis-server'): string {
  const said = spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout;
  return `${program} ${/v=([\d.]+)/.exec(said)?.[1] ?? 'of an unknown version'}`;
}

/** The same over LMDB and over Redis; what each found, and the servers' versions. */
export async function overBothStores(
  find: (stage: StoreStage) => Promise<readonly Figure[]>,
): Promise<FaultResult> {
  const figures: Figure[] = [];
  const versions: string[] = [];
  for (const kind of ['lmdb', 'redis'] as const) {
    const stage = await storeStage(kind);
    try {
      versions.push(...stage.versions);
      figures.push(...(await find(stage)));
    } finally {
      await stage.close();
    }
  }
  return { figures, versions };
}
