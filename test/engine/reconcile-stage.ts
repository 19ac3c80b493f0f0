import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { loadConfigText } from '../../src/config/load.ts';
import type { RoutePolicy } from '../../src/core/policy.ts';
import type { Claim } from '../../src/core/record.ts';
import { writeNote } from '../../src/engine/note.ts';
import { createReconciler, type Question, type Reconciler } from '../../src/engine/reconcile.ts';
import { createByteBudget } from '../../src/http/byte-budget.ts';
import type { Upstream } from '../../src/http/seam.ts';
import { createUpstream } from '../../src/http/upstream.ts';
import type { Store } from '../../src/store/contract.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { granted, newRecordKey, requestOf } from '../contract/harness.ts';

/** A reconciler over a memory store whose clock is moved by hand, and a real backend that answers as a test says. */

export const SECRET = Buffer.alloc(32, 7);
export const QUIET_MS = 60_000;
export const LEASE_MS = 15_000;

export type Probe = { readonly request: IncomingMessage; readonly response: ServerResponse };

export type ReconcileStage = {
  readonly store: Store;
  readonly policy: RoutePolicy;
  readonly upstream: Upstream;
  readonly reconciler: Reconciler;
  readonly verdicts: string[];
  readonly resolutions: string[];
  readonly probes: IncomingMessage[];
  nowMs(): number;
  advance(ms: number): void;
  answer(how: (probe: Probe) => void): void;
  /** A key that is dispatched, with the note of its claim. */
  dispatched(values?: Readonly<Record<string, string>>): Promise<Claim>;
  question(claim: Claim, over?: Partial<Question>): Question;
  close(): Promise<void>;
};

export const PROBED = {
  request: { path: '/charges?key={key}', timeout: '300ms' },
  rules: [
    {
      when: { status: 200, json: { '/key': '{key}', '/state': 'done' } },
      verdict: 'completed',
      replay: { status: 201 },
    },
    { when: { status: 404 }, verdict: 'did-not-happen' },
  ],
};

export function policyWith(reconcile: object, over: object = {}): RoutePolicy {
  const file = {
    upstream: { url: 'http://127.0.0.1:1' },
    routes: [{ name: 'charges', quiet: `${QUIET_MS}ms`, limits: { response: '64KiB' }, ...over, reconcile }],
  };
  const loaded = loadConfigText(JSON.stringify(file), 'test.yaml', {});
  if (loaded.kind === 'faults') throw new Error(loaded.faults.map(({ text }) => text).join('\n'));
  const [route] = loaded.config.routes;
  if (route === undefined) throw new Error('no route');
  return route;
}

export async function reconcileStage(reconcile: object = PROBED, over: object = {}): Promise<ReconcileStage> {
  let nowMs = 1_795_000_000_000;
  let how = ({ response }: Probe): void => void response.writeHead(500).end();
  const probes: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    probes.push(request);
    how({ request, response });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const store = createMemoryStore({ clock: { nowMs: () => nowMs }, bytesMax: 1e8 });
  const upstream = createUpstream({
    origin: `http://127.0.0.1:${port}`,
    connectMs: 1000,
    connectionsMax: 8,
    queueMs: 1000,
    tls: () => null,
  });
  const policy = policyWith(reconcile, over);
  const verdicts: string[] = [];
  const resolutions: string[] = [];
  const reconciler = createReconciler({
    store,
    metrics: {
      probed: (_route, verdict) => verdicts.push(verdict),
      resolved: (by, to) => resolutions.push(`${by} ${to}`),
    },
    log: { event: () => undefined, probeFailed: () => undefined, storeUnavailable: () => undefined },
    budget: createByteBudget(1e6),
    wallMs: () => nowMs,
    monotonicMs: () => nowMs,
    probesMax: 4,
  });
  return {
    ...{ store, policy, upstream, reconciler, verdicts, resolutions, probes },
    nowMs: () => nowMs,
    advance: (ms) => {
      nowMs += ms;
    },
    answer: (next) => {
      how = next;
    },
    async dispatched(values = { key: 'k1' }) {
      const recordKey = newRecordKey();
      const request = requestOf(1000, { lease: LEASE_MS / 1000, retain: 3600, unknownRetain: 7200 });
      const note = writeNote(SECRET, recordKey, request.fingerprint, {
        route: policy.name,
        values: new Map(Object.entries(values)),
      });
      return (await granted(store, recordKey, { ...request, note })).claim;
    },
    question: ({ recordKey }, change = {}) => ({
      ...{ recordKey, policy, upstream, secrets: [SECRET], sealing: null, repeat: null },
      ...change,
    }),
    async close() {
      await upstream.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await store.close();
    },
  };
}

export function json(status: number, value: unknown): (probe: Probe) => void {
  return ({ response }) =>
    void response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
}
