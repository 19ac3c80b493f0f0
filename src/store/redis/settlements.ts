import type { Redis } from 'ioredis';
import type { RecordKey } from '../../core/record.ts';

/**
 * Wakes joiners. One channel carries the record keys of all settlements; one connection, opened for the first joiner,
 * listens for the whole process. A message can be missed (not yet subscribed, reconnecting): every subscription wakes
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
const RESUBSCRIBE_MS = 1000;

export function createSettlements(createSubscriber: () => Redis, channel: string): Settlements {
  const wakes = new Map<RecordKey, Set<() => void>>();
  let waiting = 0;
  let subscriber: Redis | null = null;
  let life: 'open' | 'closed' = 'open';

  function wakeAll(): void {
    for (const ofKey of [...wakes.values()]) for (const wake of [...ofKey]) wake();
  }

  function listen(): void {
    if (subscriber !== null) return;
    const client = createSubscriber();
    subscriber = client;
    client.on('message', (_channel: string, recordKey: string) => {
      const ofKey = wakes.get(recordKey);
      if (ofKey !== undefined) for (const wake of [...ofKey]) wake();
    });
    client.on('ready', () => {
      client.subscribe(channel).then(wakeAll, () => {
        // Not at once: a server that refuses would be asked without end.
        setTimeout(() => life === 'open' && client.disconnect(true), RESUBSCRIBE_MS).unref();
      });
    });
    client.connect().catch(() => undefined);
  }

  return {
    wait(recordKey, signal) {
      if (signal.aborted || life === 'closed') return Promise.resolve();
      listen();
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
      subscriber?.disconnect();
      wakeAll();
    },
  };
}
