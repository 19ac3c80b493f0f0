import type { RecordKey } from '../../../src/core/record.ts';
import { type Store, StoreUnavailable, type StoreUnavailableReason } from '../../../src/store/contract.ts';
import { NO_CELLS } from '../../support/no-cells.ts';
import type { Draw } from './draw.ts';
import type { StoreServer } from './store-server.ts';
import type { Party, Timeline } from './timeline.ts';

/** The network between a proxy and the store's server, and what may happen to a call on it. */

export type NetworkOdds = {
  /** Of all calls, the parts that meet with a fault; all 0 is a sound network. */
  readonly lostBefore: number;
  readonly lostAfter: number;
  readonly late: number;
  readonly duplicated: number;
  readonly refused: number;
};

export const SOUND_NETWORK: NetworkOdds = { lostBefore: 0, lostAfter: 0, late: 0, duplicated: 0, refused: 0 };

/** The store's server as the network sees it. */
export type StoreHost = {
  readonly server: StoreServer;
  state: 'up' | 'down';
  /** Paused: what arrives meanwhile is answered after it, in order. */
  pausedUntilMs: number;
  odds: NetworkOdds;
  /** Who asked to be told of a settlement. */
  readonly subscribers: Map<RecordKey, Set<Subscriber>>;
};

type Subscriber = { readonly party: Party; readonly wake: () => void };

const REFUSALS: readonly [StoreUnavailableReason, ...StoreUnavailableReason[]] = [
  'full',
  'out_of_memory',
  'readonly',
  'loading',
  'busy',
  'disk_full',
];

type Fate = 'sound' | keyof NetworkOdds;

export type LinkOptions = {
  readonly timeline: Timeline;
  readonly draw: Draw;
  readonly host: StoreHost;
  /** The proxy's process. */
  readonly party: Party;
  readonly deadlineMs: number;
  /** A call was given a fault, which is over by then. */
  readonly onFault: (what: string, untilMs: number) => void;
};

/** The store as one proxy's driver offers it. */
export function createStoreLink(options: LinkOptions): Store {
  const { timeline, draw, host, party } = options;
  const { server } = host;
  const call = <Result>(what: string, recordKey: RecordKey, apply: () => Result): Promise<Result> =>
    new Promise((resolve, reject) => {
      send({ options, what, recordKey, apply, resolve, reject });
    });
  return {
    kind: 'redis',
    cells: NO_CELLS,
    claim: (recordKey, request) => call('claim', recordKey, () => server.claim(recordKey, request)),
    dispatch: (claim) => call('dispatch', claim.recordKey, () => server.dispatch(claim)),
    renew: (claim, leaseMs) => call('renew', claim.recordKey, () => server.renew(claim, leaseMs)),
    complete: (claim, response, retainMs) =>
      call('complete', claim.recordKey, () => server.complete(claim, response, retainMs)),
    release: (claim, afterMs) => call('release', claim.recordKey, () => server.release(claim, afterMs)),
    releaseOwner: (recordKey, owner) =>
      call('releaseOwner', recordKey, () => server.releaseOwner(recordKey, owner)),
    park: (claim, reason) => call('park', claim.recordKey, () => server.park(claim, reason)),
    resolve: (recordKey, token, to) =>
      call('resolve', recordKey, () => server.resolve(recordKey, token, to, 'retry')),
    reseal: (recordKey, token, response) =>
      call('reseal', recordKey, () => server.reseal(recordKey, token, response)),
    inspect: (recordKey) => call('inspect', recordKey, () => server.inspect(recordKey)),
    list: () => call('list', '', () => ({ records: [], cursor: null })),
    forget: (recordKey, how) => call('forget', recordKey, () => server.forget(recordKey, how)),
    settled: (recordKey, signal) =>
      new Promise((resolve) => {
        if (signal.aborted) {
          resolve();
          return;
        }
        const subscriber = { party, wake: () => leave() };
        const leave = (): void => {
          signal.removeEventListener('abort', leave);
          host.subscribers.get(recordKey)?.delete(subscriber);
          resolve();
        };
        signal.addEventListener('abort', leave, { once: true });
        const others = host.subscribers.get(recordKey);
        if (others === undefined) host.subscribers.set(recordKey, new Set([subscriber]));
        else others.add(subscriber);
      }),
    sweep: () => call('sweep', '', () => server.sweep()),
    stats: () => Promise.resolve({ records: server.records(), bytes: null }),
    ping: () => call('ping', '', () => undefined),
    close: () => Promise.resolve(),
  };

  function send<Result>(sent: Call<Result>): void {
    const fate = drawFate(draw, host.odds);
    const outMs = fate === 'late' ? (options.deadlineMs * draw.int(5, 60)) / 10 : draw.delayMs();
    if (fate !== 'sound') options.onFault(`${sent.what} ${fate}`, timeline.nowMs + outMs);
    if (fate === 'lostBefore') {
      fail(sent, outMs, draw.chance(0.5) ? 'silence' : 'connection');
      return;
    }
    const { world } = timeline;
    timeline.after(world, outMs, () => arrive(sent, fate));
    if (fate === 'duplicated') {
      const againMs = outMs + draw.delayMs() + (draw.chance(0.3) ? options.deadlineMs * draw.int(1, 3) : 0);
      options.onFault(`${sent.what} again`, timeline.nowMs + againMs);
      timeline.after(world, againMs, () => arrive(sent, draw.chance(0.5) ? 'sound' : 'lostAfter'));
    }
  }
}

type Call<Result> = {
  readonly options: LinkOptions;
  readonly what: string;
  readonly recordKey: RecordKey;
  readonly apply: () => Result;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: StoreUnavailable) => void;
};

function drawFate(draw: Draw, odds: NetworkOdds): Fate {
  for (const fate of ['lostBefore', 'lostAfter', 'late', 'duplicated', 'refused'] as const)
    if (odds[fate] > 0 && draw.chance(odds[fate])) return fate;
  return 'sound';
}

function arrive<Result>(sent: Call<Result>, fate: Fate): void {
  const { options, recordKey } = sent;
  const { timeline, draw, host, party } = options;
  if (host.state === 'down') {
    fail(sent, draw.delayMs(), draw.chance(0.5) ? 'connection' : 'silence');
    return;
  }
  if (host.pausedUntilMs > timeline.nowMs) {
    timeline.after(timeline.world, host.pausedUntilMs - timeline.nowMs, () => arrive(sent, fate));
    return;
  }
  if (fate === 'refused') {
    fail(sent, draw.delayMs(), draw.pick(REFUSALS));
    return;
  }
  const result = sent.apply();
  wakeSubscribers(options, recordKey);
  if (fate === 'lostAfter') {
    fail(sent, draw.delayMs(), draw.chance(0.5) ? 'connection' : 'silence');
    return;
  }
  timeline.after(party, draw.delayMs(), () => sent.resolve(result));
}

function fail<Result>(sent: Call<Result>, delayMs: number, how: 'silence' | StoreUnavailableReason): void {
  // In silence the driver hears nothing: the guard's deadline ends the wait.
  if (how === 'silence') return;
  const { timeline, party } = sent.options;
  timeline.after(party, delayMs, () => sent.reject(new StoreUnavailable(how, `simulated: ${how}`)));
}

/** A hint after a write that may have settled the record; hints may get lost. */
function wakeSubscribers({ timeline, draw, host }: LinkOptions, recordKey: RecordKey): void {
  const subscribers = host.subscribers.get(recordKey);
  if (subscribers === undefined || subscribers.size === 0) return;
  const state = host.server.head(recordKey)?.state;
  if (state === 'claimed' || state === 'dispatched') return;
  for (const { party, wake } of [...subscribers])
    if (draw.chance(0.8)) timeline.after(party, draw.delayMs(), wake);
}
