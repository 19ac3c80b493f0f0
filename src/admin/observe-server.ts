import type { Metrics } from '../observe/metrics.ts';
import type { Health } from './health.ts';
import { type AdminRoute, jsonReply } from './route-table.ts';
import { type SmallServer, startSmallServer } from './small-server.ts';

export type ObserveServer = SmallServer;

export type ObserveParts = { readonly health: Health; readonly metrics: Pick<Metrics, 'render'> };

export type ObserveOptions = ObserveParts & {
  readonly listen: { readonly host: string; readonly port: number };
  readonly onError: (error: unknown) => void;
};

/** Health and metrics for probes and scrapes; nothing here changes anything, so it may listen on all addresses. */
export function startObserveServer(options: ObserveOptions): Promise<ObserveServer> {
  return startSmallServer({
    what: 'observe',
    listen: options.listen,
    routes: observeRoutes(options),
    refuse: () => null,
    onError: options.onError,
  });
}

export function observeRoutes({ health, metrics }: ObserveParts): readonly AdminRoute[] {
  return [
    // That the event loop got as far as this is all there is to say: a restart does not mend a store.
    { method: 'GET', path: '/livez', handle: () => jsonReply(200, { status: 'alive' }) },
    {
      method: 'GET',
      path: '/readyz',
      async handle() {
        const readiness = await health.readiness();
        return jsonReply(readiness.status === 'ready' ? 200 : 503, readiness);
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      async handle({ accept }) {
        return { status: 200, ...(await metrics.render(accept)) };
      },
    },
  ];
}
