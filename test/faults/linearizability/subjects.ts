import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Store } from '../../../src/store/contract.ts';
import { openLmdbStore } from '../../../src/store/lmdb/lmdb-store.ts';
import { systemClock } from '../../../src/store/lmdb/system-clock.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import { createPostgresOpener } from '../../support/postgres-opener.ts';
import { startPostgresServer } from '../../support/postgres-server.ts';
import { createRedisOpener } from '../../support/redis-opener.ts';
import { startRedisServer } from '../../support/redis-server.ts';
import { type Recorded, type Recording, record } from './recorder.ts';

/** A store under test, with two sides from which clients reach it at once. */
export type LinearSubject = {
  readonly name: string;
  /** What all its clients saw, by key. */
  record(recording: Recording): Promise<Recorded>;
  close(): Promise<void>;
};

const BYTES_MAX = 512 * 1024 * 1024;

export function memorySubject(change: (store: Store) => Store = (store) => store): Promise<LinearSubject> {
  const store = createMemoryStore({ clock: { nowMs: () => performance.now() }, bytesMax: BYTES_MAX });
  const seen = change(store);
  return Promise.resolve({
    name: 'memory',
    record: (recording) => record(seen, { ...recording, pace: 'turns' }),
    close: () => store.close(),
  });
}

/** The other side is a process of its own. */
export async function lmdbSubject(): Promise<LinearSubject> {
  const path = mkdtempSync(join(tmpdir(), 'onceward-linear-'));
  const store = await openLmdbStore({
    path,
    durability: 'commit',
    bytesMax: BYTES_MAX,
    clock: systemClock(),
  });
  const other = fork(join(import.meta.dirname, 'lmdb-side.ts'), [path], { stdio: 'inherit' });
  await once(other, 'message');
  return {
    name: 'lmdb',
    async record(recording) {
      const [here, there] = halves(recording);
      const answer = askOther(other, there);
      return merged(await record(store, here), await answer);
    },
    async close() {
      const exited = once(other, 'exit');
      other.disconnect();
      await exited;
      await store.close();
      rmSync(path, { recursive: true, force: true });
    },
  };
}

function askOther(other: ChildProcess, recording: Recording): Promise<Recorded> {
  return new Promise((resolve) => {
    const hear = (message: { readonly name: string; readonly recorded: Recorded }): void => {
      if (message.name !== recording.name) return;
      other.off('message', hear);
      resolve(message.recorded);
    };
    other.on('message', hear);
    other.send(recording);
  });
}

export async function redisSubject(): Promise<LinearSubject> {
  const server = await startRedisServer();
  const opener = createRedisOpener();
  const change = { acceptLoss: 'accept', commandTimeoutMs: 10_000 } as const;
  const sides = [await opener.open(server.url, change), await opener.open(server.url, change)] as const;
  return twoSided('redis', sides, async () => {
    await opener.closeAll();
    await server.remove();
  });
}

export async function postgresSubject(): Promise<LinearSubject> {
  const server = await startPostgresServer();
  const opener = createPostgresOpener();
  const change = { commandTimeoutMs: 10_000 };
  const sides = [await opener.open(server.url, change), await opener.open(server.url, change)] as const;
  return twoSided('postgres', sides, async () => {
    await opener.closeAll();
    await server.remove();
  });
}

function twoSided(name: string, sides: readonly [Store, Store], close: () => Promise<void>): LinearSubject {
  return {
    name,
    async record(recording) {
      const [here, there] = halves(recording);
      const [first, second] = await Promise.all([record(sides[0], here), record(sides[1], there)]);
      return merged(first, second);
    },
    close,
  };
}

function halves(recording: Recording): readonly [Recording, Recording] {
  const { clients } = recording;
  const middle = Math.ceil(clients.length / 2);
  return [
    { ...recording, clients: clients.slice(0, middle) },
    { ...recording, clients: clients.slice(middle), seed: recording.seed + 1_000_003 },
  ];
}

function merged(first: Recorded, second: Recorded): Recorded {
  return Object.fromEntries(
    Object.entries(first).map(([key, operations]) => [key, [...operations, ...(second[key] ?? [])]]),
  );
}
