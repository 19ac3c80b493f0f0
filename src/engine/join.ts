import type { Decision } from '../core/decide.ts';
import type { RecordKey, RecordView } from '../core/record.ts';
import { unreachable } from '../core/unreachable.ts';
import { allValues } from '../core/wire.ts';
import { StoreUnavailable } from '../store/contract.ts';
import { answerOverloaded, answerProblem, answerStoreUnavailable } from './respond.ts';
import { answerStored } from './stored.ts';
import type { Ending, RequestContext } from './types.ts';

/** A wake-up is a hint: the record is read again at least this often. */
const POLL_MS = 250;

/**
 * Waits for the execution in flight and takes its response. A joiner is never promoted: if the leader did not
 * execute, the joiner learns that it may try again, and its next try is a claim like any other.
 */
export async function join(
  context: RequestContext,
  recordKey: RecordKey,
  joined: Extract<Decision, { kind: 'join' }>,
): Promise<Ending> {
  const { engine, incoming } = context;
  const entered = engine.waiters.enter(recordKey, joined.waitersMax);
  if (entered === 'key-full') return answerProblem(context, 'in-flight', 'in_flight');
  if (entered !== 'entered') return answerOverloaded(context, entered);
  const abort = new AbortController();
  incoming.reply.onGone(() => abort.abort());
  try {
    const endMs = engine.monotonicMs() + waitMs(context, joined.waitMs);
    for (;;) {
      const leftMs = endMs - engine.monotonicMs();
      const woken = wakeUp(context, recordKey, Math.min(POLL_MS, leftMs), abort.signal);
      // Subscribed first, read second: a settlement in between is seen by the read.
      const view = await engine.store.inspect(recordKey);
      const ended = settledView(context, view, joined.token);
      if (ended !== null) {
        woken.cancel();
        return ended;
      }
      if (leftMs <= 0 || abort.signal.aborted) {
        woken.cancel();
        return answerProblem(context, 'in-flight', 'in_flight');
      }
      await woken.promise;
    }
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    // Never a forward here: a leader is at work.
    engine.log.storeUnavailable(error.reason, error.message);
    return answerStoreUnavailable(context, error.reason);
  } finally {
    engine.waiters.leave(recordKey);
  }
}

function wakeUp(
  context: RequestContext,
  recordKey: RecordKey,
  withinMs: number,
  gone: AbortSignal,
): { readonly promise: Promise<void>; cancel(): void } {
  const ended = new AbortController();
  const cancel = (): void => {
    clearTimeout(timer);
    gone.removeEventListener('abort', cancel);
    ended.abort();
  };
  const timer = setTimeout(cancel, Math.max(0, withinMs));
  gone.addEventListener('abort', cancel, { once: true });
  const aborted = new Promise<void>((resolve) =>
    ended.signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  const hinted = context.engine.store.settled(recordKey, ended.signal).catch(() => aborted);
  return { promise: Promise.race([hinted, aborted]).finally(cancel), cancel };
}

/** Null while the joined execution is still in flight. */
function settledView(context: RequestContext, view: RecordView | null, token: number): Ending | null {
  // Gone, or another's by now: what became of the joined execution is not told by that.
  if (view === null || view.token !== token) return answerProblem(context, 'in-flight', 'in_flight');
  switch (view.state) {
    case 'claimed':
    case 'dispatched':
      return null;
    case 'completed':
      if (view.response === null) return answerProblem(context, 'response-not-stored', 'unstored');
      return answerStored(context, view.recordKey, view.token, view.response, 'joined');
    case 'unknown':
      return answerProblem(context, 'outcome-unknown', 'unknown');
    case 'released':
      return answerProblem(
        context,
        'released',
        'released',
        view.retryAfterMs === null ? {} : { retryAfterMs: view.retryAfterMs },
      );
    default:
      return unreachable(view.state);
  }
}

/** `Prefer: wait=N` (RFC 7240 section 4.3) shortens the wait of the policy, never lengthens it. */
function waitMs(context: RequestContext, policyMs: number): number {
  for (const value of allValues(context.head.rawHeaders, 'prefer')) {
    const match = /(?:^|[,;])\s*wait\s*=\s*"?(\d{1,6})/i.exec(value);
    if (match?.[1] !== undefined) return Math.min(policyMs, Number(match[1]) * 1000);
  }
  return policyMs;
}
