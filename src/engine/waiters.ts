import type { Pressure } from '../core/overload.ts';
import type { RecordKey } from '../core/record.ts';
import type { Waiters } from './types.ts';

/** Bounds the joiners of one key and of all keys in this process; a key without joiners takes no memory. */
export function createWaiters(joinersMax: number, pressure: () => Pressure): Waiters {
  const byKey = new Map<RecordKey, number>();
  let total = 0;
  return {
    enter(recordKey, waitersMax) {
      const waiting = byKey.get(recordKey) ?? 0;
      if (waiting >= waitersMax) return 'key-full';
      if (total >= joinersMax) return 'joiners';
      if (pressure() !== 'none') return 'memory';
      byKey.set(recordKey, waiting + 1);
      total += 1;
      return 'entered';
    },
    leave(recordKey) {
      const waiting = byKey.get(recordKey) ?? 0;
      if (waiting <= 1) byKey.delete(recordKey);
      else byKey.set(recordKey, waiting - 1);
      total -= 1;
    },
    count() {
      return total;
    },
  };
}
