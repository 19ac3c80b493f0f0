import { OBSERVED_ENDS, type ObservedEnd, type ObservedRoute, observedEnd } from '../core/observed.ts';
import { type AdminRoute, jsonReply } from './route-table.ts';

/** What `mode: observe` saw, for the operator who decides on `mode: enforce`: counts, and the latest by record key. */

export type ObserveReportParts = {
  /** Of all processes that take requests, since their start. */
  readonly observed: () => readonly ObservedRoute[] | Promise<readonly ObservedRoute[]>;
  /** Of the configuration in force. */
  readonly routes: () => readonly { readonly name: string; readonly mode: 'enforce' | 'observe' }[];
  readonly sinceMs: number;
};

export function observeReportRoutes(parts: ObserveReportParts): readonly AdminRoute[] {
  return [
    {
      method: 'GET',
      path: '/observe-report',
      async handle() {
        return jsonReply(200, reportOf(await parts.observed(), parts.routes(), parts.sinceMs));
      },
    },
  ];
}

export function reportOf(
  observed: readonly ObservedRoute[],
  routes: ReturnType<ObserveReportParts['routes']>,
  sinceMs: number,
): object {
  const modes = new Map(routes.map(({ name, mode }) => [name, mode]));
  const seen = new Set(observed.map(({ route }) => route));
  const unseen = routes
    .filter(({ name, mode }) => mode === 'observe' && !seen.has(name))
    .map(({ name }) => ({ route: name, counts: [] }));
  return {
    since: new Date(sinceMs).toISOString(),
    routes: [...observed, ...unseen].map((one) => routeOf(one, modes.get(one.route) ?? 'gone')),
  };
}

/** gone: no route of the configuration in force has this name. */
function routeOf({ route, counts }: ObservedRoute, mode: 'enforce' | 'observe' | 'gone'): object {
  const sum = (fits: (end: ObservedEnd) => boolean): number =>
    counts.filter(({ end }) => fits(end)).reduce((total, { requests }) => total + requests, 0);
  const inGroup = (group: string): number => sum((end) => observedEnd(end).group === group);
  return {
    route,
    mode,
    requests: sum(() => true),
    executed: inGroup('executed'),
    replayed: inGroup('replayed'),
    refused: inGroup('refused'),
    parked: inGroup('parked'),
    passed: inGroup('passed'),
    notJudged: inGroup('not-judged'),
    ends: OBSERVED_ENDS.flatMap((end) => counts.filter((count) => count.end === end)).map(
      ({ end, requests, examples }) => ({
        end,
        meaning: observedEnd(end).meaning,
        requests,
        examples: examples.map(({ recordKey, atMs, status }) => ({
          recordKey,
          at: new Date(atMs).toISOString(),
          status,
        })),
      }),
    ),
  };
}
