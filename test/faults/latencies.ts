/** Any number of durations in a fixed space: buckets that grow by 5 % from 10 µs on. */
export type Latencies = {
  add(ms: number): void;
  /** The duration below which this share of all lies; 0 without any. */
  at(share: number): number;
};

const LEAST_MS = 0.01;
const GROWTH = Math.log(1.05);
/** The last one begins above an hour. */
const BUCKETS = 410;

export function createLatencies(): Latencies {
  const counts = new Float64Array(BUCKETS);
  let total = 0;
  return {
    add(ms) {
      const bucket = Math.ceil(Math.log(Math.max(ms, LEAST_MS) / LEAST_MS) / GROWTH);
      const index = Math.min(bucket, BUCKETS - 1);
      counts[index] = (counts[index] ?? 0) + 1;
      total += 1;
    },
    at(share) {
      let below = 0;
      for (let index = 0; index < BUCKETS; index += 1) {
        below += counts[index] ?? 0;
        if (total > 0 && below >= share * total)
          return Math.round(LEAST_MS * Math.exp(index * GROWTH) * 100) / 100;
      }
      return 0;
    },
  };
}
