import type { Redis } from 'ioredis';
import type { RecordKey } from '../../core/record.ts';

/**
 * Wakes joiners. One channel carries the record keys of all settlements; one connection, opened for the first joiner,
 * listens for the whole process; where it ends another one is made, to a server that is in use then. A message can be missed (not yet subscribed, reconnecting): every subscription wakes
 * all, and the joiner polls besides.
 */
export type Settlements = {
  wait(recordKey: RecordKey, signal: AbortSignal): Promise<void>;
  /** Joiners listened for; 0 when nothing leaks. */
  waiting(): number;
  close(): void;
};

/** Joiners listened for at once; those above it have only their poll. */
const WAITING_MAX = 65_536;
const RESUBSCRIBE_MS_MIN = 100;
const RESUBSCRIBE_MS_MAX = 2000;

/** `createSubscriber`: an unconnected client that ends when its connection does; null while there is no server. */
export function createSettlements(createSubscriber: () => Redis | null, channel: string): Settlements {
  const wakes = new Map<RecordKey, Set<() => void>>();
  let waiting = 0;
  let life: 'open' | 'closed' = 'open';

  function wakeAll(): void {
    for (const ofKey of [...wakes.values()]) for (const wake of [...ofKey]) wake();
  }

  const subscription = createSubscription({
    createSubscriber,
    channel,
    onSubscribed: wakeAll,
    onMessage(recordKey) {
      const ofKey = wakes.get(recordKey);
      if (ofKey !== undefined) for (const wake of [...ofKey]) wake();
    },
    isWanted: () => (waiting > 0 ? 'wanted' : 'not-now'),
  });

  return {
    wait(recordKey, signal) {
      if (signal.aborted || life === 'closed') return Promise.resolve();
      subscription.begin();
      return new Promise((resolve) => {
        if (waiting >= WAITING_MAX) {
          signal.addEventListener('abort', () => resolve(), { once: true });
          return;
        }
        const ofKey = wakes.get(recordKey) ?? new Set();
        const wake = (): void => {
          signal.removeEventListener('abort', wake);
          ofKey.delete(wake);
          if (ofKey.size === 0) wakes.delete(recordKey);
          waiting -= 1;
          resolve();
        };
        wakes.set(recordKey, ofKey.add(wake));
        waiting += 1;
        signal.addEventListener('abort', wake, { once: true });
      });
    },
    waiting() {
      return waiting;
    },
    close() {
      life = 'closed';
      subscription.end();
      wakeAll();
    },
  };
}

type Subscription = { begin(): void; end(): void };

type SubscriptionOptions = {
  readonly createSubscriber: () => Redis | null;
  readonly channel: string;
  readonly onSubscribed: () => void;
  readonly onMessage: (message: string) => void;
  /** Asked when a connection has ended. */
  readonly isWanted: () => 'wanted' | 'not-now';
};

function createSubscription(options: SubscriptionOptions): Subscription {
  let subscriber: Redis | null = null;
  let again: NodeJS.Timeout | null = null;
  let failures = 0;
  let life: 'open' | 'ended' = 'open';

  function begin(): void {
    if (subscriber !== null || again !== null) return;
    const client = options.createSubscriber();
    if (client === null) {
      beginAgain();
      return;
    }
    subscriber = client;
    client.on('message', (_channel: string, message: string) => options.onMessage(message));
    client.on('end', () => {
      subscriber = null;
      beginAgain();
    });
    client
      .connect()
      .then(() => client.subscribe(options.channel))
      .then(
        () => {
          failures = 0;
          options.onSubscribed();
        },
        () => client.disconnect(),
      );
  }

  /** Not at once: a server that refuses would be asked without end. */
  function beginAgain(): void {
    if (life === 'ended') return;
    failures += 1;
    const pauseMs = Math.min(RESUBSCRIBE_MS_MAX, RESUBSCRIBE_MS_MIN * 2 ** Math.min(failures - 1, 10));
    again = setTimeout(() => {
      again = null;
      // Else the next joiner begins it.
      if (options.isWanted() === 'wanted') begin();
    }, pauseMs);
    again.unref();
  }

  return {
    begin,
    end() {
      life = 'ended';
      if (again !== null) clearTimeout(again);
      subscriber?.disconnect();
    },
  };
}
