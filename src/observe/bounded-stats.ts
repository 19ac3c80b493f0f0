import type { StoreStats } from '../store/contract.ts';

export type StatsSource = { readonly stats: () => Promise<StoreStats>; readonly statsDeadlineMs: number };

const NO_STATS: StoreStats = { records: null, bytes: null };

/** A store that hangs costs one pending call and the deadline of each scrape, never the scrape. */
export function boundedStats(options: StatsSource): () => Promise<StoreStats> {
  let pending: Promise<StoreStats> | null = null;
  const start = async (): Promise<StoreStats> => {
    try {
      return await options.stats();
    } catch {
      return NO_STATS;
    }
  };
  return async () => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<StoreStats>((resolve) => {
      timer = setTimeout(resolve, options.statsDeadlineMs, NO_STATS);
    });
    try {
      if (pending === null) {
        const call = start();
        pending = call;
        void call.then(() => {
          pending = null;
        });
      }
      return await Promise.race([pending, late]);
    } finally {
      clearTimeout(timer);
    }
  };
}
