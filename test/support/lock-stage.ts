import { randomUUID } from 'node:crypto';
import { baseConfig, type ChildProxy, startChildProxy, temporaryFolder } from './child-proxy.ts';
import { type Arrival, type CountingBackend, startCountingBackend } from './counting-backend.ts';

/** A backend that works on accounts and finds out who else does, and proxies over one store. */

/** Where the records are: `lmdb` in a folder of the test's own. */
export type LockStore = 'lmdb' | { readonly url: string };

/** A short lease is soon over; a deadline that a busy machine passes would be an unavailable store. */
function timesOf(
  store: LockStore,
  lease: unknown,
): { readonly deadline: string; readonly shortLease: string } {
  return lease !== 'short' || (store !== 'lmdb' && store.url.startsWith('postgres'))
    ? { deadline: '1s', shortLease: '3s' }
    : { deadline: '300ms', shortLease: '1s' };
}

export type LockStage = {
  readonly backend: CountingBackend;
  /** Most requests that ever were at work on one account at once. */
  overlap(): number;
  /** Of every account, the tokens of its requests in the order in which they arrived. */
  tokens(): ReadonlyMap<string, readonly number[]>;
  /** From now on work on the account is not answered until the returned function is called. */
  hold(account: string): { readonly arrived: Promise<Arrival>; release(): void };
  start(): Promise<ChildProxy>;
};

export type LockStageOptions = {
  readonly store: LockStore;
  /** Fields of the routes' `lock` besides its resources. `lease: short` is as short as the store allows. */
  readonly lock?: Readonly<Record<string, unknown>>;
};

type Held = { readonly arrive: (arrival: Arrival) => void; waiting: (() => void)[] };

const SECRET = '0123456789abcdef0123456789abcdef';

/** `closers` are run in reverse when the test is over. */
export async function lockStage(
  { store, lock = {} }: LockStageOptions,
  closers: (() => Promise<void> | void)[],
): Promise<LockStage> {
  const { deadline, shortLease } = timesOf(store, lock.lease);
  const terms = lock.lease === 'short' ? { ...lock, lease: shortLease } : lock;
  const atWork = new Map<string, number>();
  const tokens = new Map<string, number[]>();
  const held = new Map<string, Held>();
  let overlap = 0;

  function work(arrival: Arrival): void {
    const accounts = accountsOf(arrival);
    const given = String(arrival.request.headers['onceward-lock-token'] ?? '').split(', ');
    for (const [i, account] of accounts.entries()) {
      const now = (atWork.get(account) ?? 0) + 1;
      atWork.set(account, now);
      overlap = Math.max(overlap, now);
      tokens.set(account, [...(tokens.get(account) ?? []), Number(given[i])]);
    }
    const execution = arrival.execute();
    const done = (): void => {
      for (const account of accounts) atWork.set(account, (atWork.get(account) ?? 1) - 1);
      arrival.answer(201, JSON.stringify({ execution }));
    };
    const hold = accounts.map((account) => held.get(account)).find((each) => each !== undefined);
    if (hold === undefined) {
      // Long enough to meet another, if there were one.
      setTimeout(done, 3);
      return;
    }
    hold.waiting.push(done);
    hold.arrive(arrival);
  }

  const backend = await startCountingBackend(work);
  closers.push(() => backend.close());
  const folder = temporaryFolder();
  closers.push(() => folder.remove());
  const url = store === 'lmdb' ? `lmdb:${folder.path}/store` : store.url;
  const file = folder.config({
    ...baseConfig(backend.origin, { url, deadline }),
    ...(store === 'lmdb' ? {} : { secrets: [SECRET] }),
    // One server for all tests: each has accounts of its own.
    defaults: { keyspace: randomUUID(), lease: shortLease },
    routes: [
      {
        name: 'accounts',
        match: { path: '/accounts/{id}/**' },
        task: {},
        lock: { resources: '/accounts/{id}', ...terms },
      },
      {
        name: 'transfers',
        match: { path: '/transfers' },
        lock: {
          resources: ['/accounts/{from}', '/accounts/{to}'],
          capture: { from: { json: '/from' }, to: { json: '/to' } },
          ...terms,
        },
      },
    ],
  });

  return {
    backend,
    overlap: () => overlap,
    tokens: () => tokens,
    hold(account) {
      const arrived = Promise.withResolvers<Arrival>();
      const hold: Held = { arrive: (arrival) => arrived.resolve(arrival), waiting: [] };
      held.set(account, hold);
      return {
        arrived: arrived.promise,
        release() {
          held.delete(account);
          for (const done of hold.waiting.splice(0)) done();
        },
      };
    },
    async start() {
      const proxy = await startChildProxy(['--config', file]);
      closers.push(() => proxy.kill());
      return proxy;
    },
  };
}

/** In sorted order, as their tokens are. */
function accountsOf({ request, body }: Arrival): readonly string[] {
  const inPath = /^\/accounts\/([^/]+)/.exec(request.url ?? '')?.[1];
  if (inPath !== undefined) return [inPath];
  const parsed: unknown = JSON.parse(body);
  if (typeof parsed !== 'object' || parsed === null || !('from' in parsed) || !('to' in parsed)) return [];
  return [...new Set([String(parsed.from), String(parsed.to)])].sort();
}
