import type { RoutePolicy } from '../core/policy.ts';
import {
  afterProbe,
  judgeAnswer,
  type ProbeRequest,
  type ReconcilePolicy,
  renderProbe,
  type Verdict,
} from '../core/reconcile.ts';
import type { RecordKey, RecordView } from '../core/record.ts';
import { unreachable } from '../core/unreachable.ts';
import { allValues, type RawHeaders } from '../core/wire.ts';
import { ask } from '../http/ask.ts';
import type { ByteBudget, OutgoingRequest, Upstream } from '../http/seam.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { shortRecordKey } from '../observe/request-line.ts';
import { type Store, StoreUnavailable } from '../store/contract.ts';
import { readNote } from './note.ts';
import { type Sealing, sealResponse } from './sealing.ts';

/** Asks the backend what became of an unknown key, and settles it by the answer. */
export type Reconciler = {
  /**
   * `changed`: the record is not what it was, read it again. `unsure`: nothing was learnt, or nothing that may count
   * yet. Whoever asks about a key while a probe of it is under way shares that probe. Never rejects for the store.
   */
  settle(question: Question): Promise<'changed' | 'unsure'>;
};

export type Question = {
  readonly recordKey: RecordKey;
  readonly policy: RoutePolicy;
  readonly upstream: Upstream;
  readonly secrets: readonly Uint8Array[];
  readonly sealing: Sealing | null;
  /** What a repeat brings along; null in the background. */
  readonly repeat: { readonly key: string; readonly rawHeaders: RawHeaders } | null;
};

export type ReconcilerOptions = {
  readonly store: Store;
  readonly metrics: Pick<Metrics, 'probed' | 'resolved'>;
  readonly log: Pick<Log, 'event' | 'probeFailed' | 'storeUnavailable'>;
  readonly budget: ByteBudget;
  readonly wallMs: () => number;
  readonly monotonicMs: () => number;
  /** Probes of this process at once; one more is unsure. */
  readonly probesMax: number;
};

/** A client that asks in a loop must not become a flood at the backend. */
const REST_MS = 200;
const RESTING_MAX = 10_000;

export function createReconciler(options: ReconcilerOptions): Reconciler {
  const running = new Map<RecordKey, Promise<'changed' | 'unsure'>>();
  /** Keys that were probed a moment ago, and until when they rest, oldest first. */
  const resting = new Map<RecordKey, number>();

  const rest = (recordKey: RecordKey): void => {
    const nowMs = options.monotonicMs();
    resting.delete(recordKey);
    resting.set(recordKey, nowMs + REST_MS);
    for (const [key, untilMs] of resting) {
      if (untilMs > nowMs && resting.size <= RESTING_MAX) break;
      resting.delete(key);
    }
  };

  return {
    settle(question) {
      const { recordKey } = question;
      const shared = running.get(recordKey);
      if (shared !== undefined) return shared;
      if (running.size >= options.probesMax || (resting.get(recordKey) ?? 0) > options.monotonicMs())
        return Promise.resolve('unsure');
      const probe = settle(options, question).finally(() => running.delete(recordKey));
      running.set(recordKey, probe);
      return probe.then((result) => {
        rest(recordKey);
        return result;
      });
    },
  };
}

async function settle(options: ReconcilerOptions, question: Question): Promise<'changed' | 'unsure'> {
  const { reconcile } = question.policy;
  if (reconcile === null) return 'unsure';
  try {
    const view = await options.store.inspect(question.recordKey);
    // A dispatched claim whose lease is alive reads as dispatched: it is never asked about.
    if (view?.state !== 'unknown') return 'changed';
    const verdict = await probe(options, question, reconcile, view);
    return verdict === null ? 'unsure' : await act(options, question, view, verdict);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    options.log.storeUnavailable(error.reason, error.message);
    return 'unsure';
  }
}

/** Null: no answer that could be judged. */
async function probe(
  options: ReconcilerOptions,
  question: Question,
  reconcile: ReconcilePolicy,
  view: RecordView,
): Promise<Verdict | null> {
  const { policy, upstream } = question;
  const values = valuesOf(question, view);
  const rendered = renderProbe(reconcile, values);
  if (rendered === null) {
    options.metrics.probed(policy.name, 'not-asked');
    return null;
  }
  const answer = await ask({
    upstream,
    request: outgoing(rendered, reconcile, question, view),
    timeoutMs: reconcile.request.timeoutMs,
    responseBytesMax: policy.responseBytesMax,
    budget: options.budget,
    unprovenEnd: policy.unprovenEnd,
    wallMs: options.wallMs,
  });
  if (answer.kind === 'no-answer') {
    options.metrics.probed(policy.name, 'no-answer');
    options.log.probeFailed(policy.name, answer.detail);
    return null;
  }
  return judgeAnswer(reconcile, answer, values);
}

/**
 * What was captured comes from the note alone: a repeat may differ in what its fingerprint leaves out, and would ask
 * about another operation. The key is what the record was found by.
 */
function valuesOf({ recordKey, secrets, repeat }: Question, view: RecordView): ReadonlyMap<string, string> {
  const note = readNote(secrets, recordKey, view.fingerprint, view.note);
  if (note !== null) return note.values;
  return new Map(repeat === null ? [] : [['key', repeat.key]]);
}

function outgoing(
  rendered: ProbeRequest,
  { request }: ReconcilePolicy,
  { upstream, repeat }: Question,
  view: RecordView,
): OutgoingRequest {
  const rawHeaders: string[] = [...rendered.rawHeaders];
  const has = (name: string): boolean => allValues(rawHeaders, name).length > 0;
  for (const name of request.callerHeaders) {
    for (const value of allValues(repeat?.rawHeaders ?? [], name)) rawHeaders.push(name, value);
  }
  if (!has('host')) rawHeaders.push('Host', upstream.authority);
  // An answer that was kept on the way is about another moment.
  if (!has('cache-control')) rawHeaders.push('Cache-Control', 'no-cache');
  rawHeaders.push('Accept-Encoding', 'identity', 'Via', '1.1 onceward', 'Onceward-Probe', '1');
  // A backend that answers "no" may refuse this token from then on, and so close the last window (docs/model.md).
  rawHeaders.push('Onceward-Fencing-Token', String(view.token));
  const body = rendered.body === null ? null : Buffer.from(rendered.body);
  if (body !== null) {
    if (!has('content-type')) rawHeaders.push('Content-Type', 'application/json');
    rawHeaders.push('Content-Length', String(body.byteLength));
  }
  return {
    method: rendered.method,
    target: rendered.target,
    rawHeaders,
    body: body === null ? { kind: 'none' } : { kind: 'bytes', bytes: body },
    sockets: 'shared',
  };
}

async function act(
  options: ReconcilerOptions,
  { recordKey, policy, sealing }: Question,
  view: RecordView,
  verdict: Verdict,
): Promise<'changed' | 'unsure'> {
  const { store, metrics, log } = options;
  const next = afterProbe(verdict, view.unknownForMs, policy.quietMs);
  metrics.probed(policy.name, next.kind === 'hold' ? next.why : verdict.kind);
  switch (next.kind) {
    case 'hold':
      return 'unsure';
    case 'complete':
    case 'release': {
      // Judged once more inside the store, by the token that was read before the question: a holder that woke
      // meanwhile has the last word.
      const written = await store.resolve(
        recordKey,
        view.token,
        next.kind === 'complete'
          ? {
              kind: 'completed',
              // To the record alone: in the background nobody brings the client's part along.
              response: sealResponse(sealing, recordKey, null, next.response),
              retainMs: policy.retainMs,
            }
          : { kind: 'released', quietMs: policy.quietMs },
      );
      const to = next.kind === 'complete' ? 'completed' : 'released';
      if (written === 'ok') {
        metrics.resolved('probe', to);
        log.event('info', 'resolved', {
          by: 'probe',
          route: policy.name,
          recordKey: shortRecordKey(recordKey),
          to,
        });
      }
      return 'changed';
    }
    default:
      return unreachable(next);
  }
}
