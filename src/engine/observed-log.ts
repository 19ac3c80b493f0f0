import {
  OBSERVED_EXAMPLES_MAX,
  OBSERVED_ROUTES_MAX,
  type ObservedEnd,
  type ObservedExample,
  type ObservedRoute,
} from '../core/observed.ts';
import type { RecordKey } from '../core/record.ts';

/** What `mode: observe` saw in this process since its start: a count for each route and end, and the latest of each. */
export type ObservedLog = {
  note(route: string, end: ObservedEnd, recordKey: RecordKey | null, status: number | null): void;
  routes(): readonly ObservedRoute[];
  /** Null: nothing since the last call. */
  routesIfChanged(): readonly ObservedRoute[] | null;
};

type Tally = { requests: number; readonly examples: ObservedExample[] };

export function createObservedLog(wallMs: () => number): ObservedLog {
  const tallies = new Map<string, Map<ObservedEnd, Tally>>();
  let changed: 'no' | 'yes' = 'no';

  const routes = (): readonly ObservedRoute[] =>
    [...tallies].map(([route, ends]) => ({
      route,
      counts: [...ends].map(([end, { requests, examples }]) => ({ end, requests, examples: [...examples] })),
    }));

  return {
    note(route, end, recordKey, status) {
      let ends = tallies.get(route);
      if (ends === undefined) {
        if (tallies.size >= OBSERVED_ROUTES_MAX) return;
        ends = new Map();
        tallies.set(route, ends);
      }
      let tally = ends.get(end);
      if (tally === undefined) {
        tally = { requests: 0, examples: [] };
        ends.set(end, tally);
      }
      tally.requests += 1;
      if (tally.examples.length === OBSERVED_EXAMPLES_MAX) tally.examples.shift();
      tally.examples.push({ recordKey, atMs: wallMs(), status });
      changed = 'yes';
    },
    routes,
    routesIfChanged() {
      if (changed === 'no') return null;
      changed = 'no';
      return routes();
    },
  };
}
