import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Store } from '../../src/store/contract.ts';
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { startPgBouncer } from '../support/pgbouncer.ts';
import { type PostgresClock, takeClock } from '../support/postgres-clock.ts';
import { createPostgresOpener, postgresOptions } from '../support/postgres-opener.ts';
import { type PostgresServer, startPostgresServer } from '../support/postgres-server.ts';
import { FULL, granted, newRecordKey, requestOf, responseOf } from './harness.ts';
import { storeContract } from './store-contract.ts';

const UNIT_MS = 1000;
const opener = createPostgresOpener();
const closers: (() => Promise<void>)[] = [];
let server: PostgresServer | null = null;
let clock: PostgresClock | null = null;
let sessionUrl = '';

beforeAll(async () => {
  server = await startPostgresServer();
  clock = await takeClock(server);
  const pooler = await startPgBouncer(server.port, 'session');
  closers.push(() => pooler.stop());
  sessionUrl = pooler.url;
});

afterEach(async () => {
  await opener.closeAll();
});

afterAll(async () => {
  for (const close of closers) await close();
  await server?.remove();
});

storeContract('postgres through pgbouncer in session mode', async () => {
  if (clock === null) throw new Error('the server is not there');
  const { advance } = clock;
  const schema = `test_${randomBytes(6).toString('hex')}`;
  const opened: Store[] = [];

  async function open(): Promise<Store> {
    const { store } = await openPostgresStore({
      ...postgresOptions(sessionUrl, { schema, commandTimeoutMs: 5000 }),
    });
    opened.push(store);
    return store;
  }

  return {
    store: await open(),
    unitMs: UNIT_MS,
    advance,
    async reopen() {
      await Promise.all(opened.splice(0).map((store) => store.close()));
      return open();
    },
    second: open,
    expiry: 'by-sweep',
    async cleanup() {
      await Promise.all(opened.map((store) => store.close()));
    },
  };
});

describe('a postgres store through a pooler', () => {
  it('in session mode wakes joiners by messages', async () => {
    const one = await opener.open(sessionUrl, { schema: 'joined' });
    const other = await opener.open(sessionUrl, { schema: 'joined' });
    const { claim } = await granted(one, newRecordKey(), requestOf(UNIT_MS));
    const woken = other.settled(claim.recordKey, new AbortController().signal);

    await one.complete(claim, FULL, 20 * UNIT_MS);
    await woken;

    expect(responseOf(await other.claim(claim.recordKey, requestOf(UNIT_MS)))).toEqual(FULL);
  });

  it.each([
    ['transaction', ''],
    ['transaction', 'server_round_robin = 1'],
    ['transaction', 'default_pool_size = 1'],
    ['statement', ''],
  ] as const)('in %s mode (%s) is refused at start, with what to do', async (mode, lines) => {
    const pooler = await startPgBouncer(server?.port ?? 0, mode, lines);
    closers.push(() => pooler.stop());

    const opening = opener.open(pooler.url, { schema: `pooled_${lines.length}_${mode}` });

    await expect(opening).rejects.toThrow(
      /^postgres at postgres:.* (is refused|cannot be used): .*(pooler in transaction or statement mode|pooler in transaction mode).*[Ss]ession/,
    );
    await expect(opening).rejects.not.toThrow('\n');
  });
});
