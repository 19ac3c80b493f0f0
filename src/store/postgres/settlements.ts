import type { Client } from 'pg';
import type { CellKey } from '../../core/cell.ts';
import type { RecordKey } from '../../core/record.ts';
import { createSettleSignals } from '../settle-signals.ts';
import { createListener } from './listener.ts';

/**
 * Wakes joiners. One channel carries the record keys of all settlements; one connection, opened for the first joiner,
 * listens for the whole process. A settlement notifies only where a joiner has noted that it waits, since the server
 * commits transactions that notify one after the other. A message can be missed while the connection is away: every
 * LISTEN wakes all, and the joiner polls besides.
 */
export type Settlements = {
  wait(recordKey: RecordKey, signal: AbortSignal): Promise<void>;
  /** The same for what is told of without a note. */
  hear(cellKey: CellKey, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
};

export type SettlementsOptions = {
  readonly createClient: () => Client;
  readonly channel: string;
  /** Notes that somebody waits: `in-flight` when the settlement will notify. */
  readonly note: (recordKey: RecordKey) => Promise<'in-flight' | 'settled'>;
};

/** Joiners listened for at once; those above it have only their poll. */
const WAITERS_MAX = 65_536;

export function createSettlements({ createClient, channel, note }: SettlementsOptions): Settlements {
  const signals = createSettleSignals(WAITERS_MAX);
  const noting = new Set<RecordKey>();
  let life: 'open' | 'closed' = 'open';
  const listener = createListener({
    createClient,
    channel,
    onMessage: (recordKey) => signals.wake(recordKey),
    onHearing: () => signals.wakeAll(),
    isNeeded: () => (signals.keys().next().done === true ? 'idle' : 'needed'),
  });

  /** One note for all that come to a key while it is under way: they wait already, so its answer is true for them. */
  function noteOnce(recordKey: RecordKey): void {
    if (listener.hears() === 'no' || noting.has(recordKey)) return;
    noting.add(recordKey);
    note(recordKey)
      .then(
        (state) => {
          if (state === 'settled') signals.wake(recordKey);
        },
        // The joiner's poll is left.
        () => undefined,
      )
      .finally(() => noting.delete(recordKey));
  }

  function hear(key: RecordKey | CellKey, signal: AbortSignal): Promise<void> {
    if (signal.aborted || life === 'closed') return Promise.resolve();
    listener.need();
    return signals.wait(key, signal);
  }

  return {
    hear,
    wait(recordKey, signal) {
      if (signal.aborted || life === 'closed') return Promise.resolve();
      const woken = hear(recordKey, signal);
      noteOnce(recordKey);
      return woken;
    },
    async close() {
      life = 'closed';
      signals.wakeAll();
      await listener.close();
    },
  };
}
