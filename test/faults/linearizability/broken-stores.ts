import type { RecordView } from '../../../src/core/record.ts';
import type { Store } from '../../../src/store/contract.ts';

/** Stores that look right to one client at a time, and are not. Each has to be found out. */
export const BROKEN_STORES: readonly {
  readonly name: string;
  readonly breakStore: (store: Store) => Store;
}[] = [
  {
    name: 'a claim that reads, then writes',
    breakStore: (store) => ({
      ...bound(store),
      async claim(recordKey, request) {
        const free = (await store.inspect(recordKey)) === null;
        await turn();
        if (free) await store.forget(recordKey, 'forced');
        return store.claim(recordKey, request);
      },
    }),
  },
  {
    name: 'a read from a replica that is behind',
    breakStore: (store) => {
      const behind = new Map<string, RecordView | null>();
      return {
        ...bound(store),
        async inspect(recordKey) {
          const stale = behind.get(recordKey);
          const view = await store.inspect(recordKey);
          behind.set(recordKey, view);
          return stale === undefined ? view : stale;
        },
      };
    },
  },
  {
    name: 'a completion acknowledged before it is written',
    breakStore: (store) => ({
      ...bound(store),
      async complete(claim, response, retainMs) {
        const view = await store.inspect(claim.recordKey);
        void turn()
          .then(turn)
          .then(() => store.complete(claim, response, retainMs))
          .catch(() => undefined);
        return view?.token === claim.token && view.state !== 'released' ? 'ok' : 'lost';
      },
    }),
  },
  {
    name: 'a release that does not look at the token',
    breakStore: (store) => ({
      ...bound(store),
      async release(claim, retryAfterMs) {
        const result = await store.release(claim, retryAfterMs);
        if (result === 'lost') await store.forget(claim.recordKey, 'forced');
        return result;
      },
    }),
  },
];

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The store's methods by themselves: a spread of a class's instance has none. */
function bound(store: Store): Store {
  return {
    kind: store.kind,
    cells: store.cells,
    claim: (recordKey, request) => store.claim(recordKey, request),
    dispatch: (claim) => store.dispatch(claim),
    renew: (claim, leaseMs) => store.renew(claim, leaseMs),
    complete: (claim, response, retainMs) => store.complete(claim, response, retainMs),
    release: (claim, retryAfterMs) => store.release(claim, retryAfterMs),
    releaseOwner: (recordKey, owner) => store.releaseOwner(recordKey, owner),
    park: (claim, reason) => store.park(claim, reason),
    resolve: (recordKey, token, to) => store.resolve(recordKey, token, to),
    reseal: (recordKey, token, response) => store.reseal(recordKey, token, response),
    inspect: (recordKey) => store.inspect(recordKey),
    list: (cursor, filter) => store.list(cursor, filter),
    forget: (recordKey, how) => store.forget(recordKey, how),
    settled: (recordKey, signal) => store.settled(recordKey, signal),
    sweep: (recordsMax) => store.sweep(recordsMax),
    stats: () => store.stats(),
    ping: () => store.ping(),
    close: () => store.close(),
  };
}
