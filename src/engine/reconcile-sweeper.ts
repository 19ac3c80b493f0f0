import type { RoutePolicy } from '../core/policy.ts';
import type { RecordKey, RecordView } from '../core/record.ts';
import type { Upstream } from '../http/seam.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Store } from '../store/contract.ts';
import { findRecords } from '../store/find-records.ts';
import { readNote } from './note.ts';
import type { Reconciler } from './reconcile.ts';
import type { Sealing } from './sealing.ts';

/**
 * Looks for unknown outcomes in the background, a page of the store at a time. What it knows of a key is how often it
 * asked and when it will again; that is lost with the process, and the bounds then begin anew.
 */
export type ReconcileSweeper = {
  /** One bounded pass: looks at a part of the store, and probes what is due of it. */
  run(): Promise<void>;
};

export type ReconcileSweeperOptions = {
  readonly store: Pick<Store, 'list'>;
  readonly reconciler: Reconciler;
  readonly secrets: readonly Uint8Array[];
  readonly sealing: () => Sealing | null;
  /** The policies in force, those with a probe in the background among them. */
  readonly policies: () => readonly RoutePolicy[];
  /** Asked for when there is something to probe. */
  readonly upstream: () => Upstream;
  readonly monotonicMs: () => number;
  readonly metrics: Pick<Metrics, 'unknownSeen'>;
};

const PAGE_RECORDS = 100;
const PROBES_AT_ONCE = 4;
/** Between the end of the list and its next beginning. */
const ROUND_REST_MS = 5_000;
const WAIT_MS_MAX = 3_600_000;
const REMEMBERED_MAX = 50_000;

type Tried = { readonly token: number; readonly attempts: number; readonly dueMs: number };

export function createReconcileSweeper(options: ReconcileSweeperOptions): ReconcileSweeper {
  const { monotonicMs } = options;
  const tried = new Map<RecordKey, Tried>();
  let cursor: string | null = null;
  let restUntilMs = 0;
  let seen = 0;

  const dueQuestion = (view: RecordView): RoutePolicy | null => {
    const note = readNote(options.secrets, view.recordKey, view.fingerprint, view.note);
    const policy = swept(options.policies()).find(({ name }) => name === note?.route);
    const sweep = policy?.reconcile?.sweep;
    if (policy === undefined || sweep?.kind !== 'on' || view.unknownForMs > sweep.ageMsMax) return null;
    const known = tried.get(view.recordKey);
    // Another token: another execution, whose probes are counted anew.
    const attempts = known?.token === view.token ? known.attempts : 0;
    const dueMs = known?.token === view.token ? known.dueMs : 0;
    if (view.unknownForMs < sweep.intervalMs || attempts >= sweep.attemptsMax || monotonicMs() < dueMs)
      return null;
    const waitMs = Math.min(WAIT_MS_MAX, sweep.intervalMs * 2 ** Math.min(attempts, 30));
    tried.delete(view.recordKey);
    tried.set(view.recordKey, {
      token: view.token,
      attempts: attempts + 1,
      dueMs: monotonicMs() + waitMs,
    });
    if (tried.size > REMEMBERED_MAX) tried.delete(tried.keys().next().value ?? '');
    return policy;
  };

  const probe = async (view: RecordView): Promise<void> => {
    const policy = dueQuestion(view);
    if (policy === null) return;
    const { secrets, reconciler } = options;
    const question = {
      ...{ recordKey: view.recordKey, policy, secrets, repeat: null },
      upstream: options.upstream(),
      sealing: options.sealing(),
    };
    // What was tried is not forgotten with `changed`: a store whose quiet time is not over may have refused the change.
    await reconciler.settle(question);
  };

  return {
    async run() {
      if (monotonicMs() < restUntilMs || swept(options.policies()).length === 0) return;
      const wanted = { state: 'unknown', limit: PAGE_RECORDS } as const;
      const page = await findRecords(options.store, cursor, wanted, monotonicMs);
      const waiting = [...page.records];
      await Promise.all(
        Array.from({ length: PROBES_AT_ONCE }, async () => {
          for (let view = waiting.shift(); view !== undefined; view = waiting.shift()) await probe(view);
        }),
      );
      cursor = page.cursor;
      seen += page.records.length;
      if (cursor !== null) return;
      options.metrics.unknownSeen(seen);
      seen = 0;
      restUntilMs = monotonicMs() + ROUND_REST_MS;
    },
  };
}

/** Without a caller nobody lends its credentials. */
function swept(policies: readonly RoutePolicy[]): readonly RoutePolicy[] {
  return policies.filter(
    ({ reconcile, mode }) =>
      reconcile?.sweep.kind === 'on' && reconcile.request.callerHeaders.length === 0 && mode === 'enforce',
  );
}
