import type { ChildProxy } from '../support/child-proxy.ts';
import { type Arrival, type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { stageProxies } from '../support/two-proxies.ts';

/** Proxies before one store, with a route for each thing that is tried, and a backend that tells what it did. */

export type Stage = {
  readonly backend: CountingBackend;
  /** `epoch/number` of what the backend did, in order. */
  readonly order: string[];
  start(): Promise<ChildProxy>;
  close(): Promise<void>;
};

const ROUTES = [
  { name: 'stock', match: { path: '/v1/stock' }, keyspace: 'stock' },
  {
    name: 'patient',
    match: { path: '/v1/patient' },
    keyspace: 'patient',
    inFlight: { wait: '10s', waiters: 20 },
  },
  {
    name: 'short',
    match: { path: '/v1/short' },
    keyspace: 'short',
    sequence: { producerRetain: '3s' },
  },
  {
    name: 'asked',
    match: { path: '/v1/asked' },
    keyspace: 'asked',
    quiet: '2s',
    // The backend knows what it did, by what names a request of a producer.
    reconcile: {
      request: { path: '/did?key={key}' },
      rules: [
        {
          when: { status: 200, json: { '/key': '{key}' } },
          verdict: 'completed',
          replay: { status: 201, body: '/answer' },
        },
        { when: { status: 404 }, verdict: 'did-not-happen' },
      ],
      sweep: 'off',
    },
  },
];

export async function openStage(kind: 'lmdb' | 'redis'): Promise<Stage> {
  const order: string[] = [];
  const backend = await startCountingBackend();
  const { start, close } = await stageProxies(kind, {
    backendOrigin: backend.origin,
    store: { deadline: '300ms' },
    sections: {
      defaults: { lease: '1s', sequence: {} },
      unmatched: 'not-found',
      routes: ROUTES,
    },
  });
  return {
    backend,
    order,
    start,
    async close() {
      await close();
      await backend.close();
    },
  };
}

export function nameOf({ request }: Arrival): string {
  return `${request.headers['producer-epoch']}/${request.headers['producer-sequence']}`;
}

export function execute(order: string[], arrival: Arrival): void {
  order.push(nameOf(arrival));
  arrival.answer(201, JSON.stringify({ did: nameOf(arrival), execution: order.length }));
}
