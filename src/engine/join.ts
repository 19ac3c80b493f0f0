import type { Decision } from '../core/decide.ts';
import { readPreferences } from '../core/prefer.ts';
import type { RecordKey, RecordView } from '../core/record.ts';
import { preferredWaitMs } from '../core/task.ts';
import { unreachable } from '../core/unreachable.ts';
import { StoreUnavailable } from '../store/contract.ts';
import { awaitSettled } from './await-settled.ts';
import { answerOverloaded, answerProblem, answerStoreUnavailable } from './respond.ts';
import { answerStored } from './stored.ts';
import type { Ending, RequestContext } from './types.ts';

/**
 * Waits for the execution in flight and takes its response. A joiner is never promoted: if the leader did not
 * execute, the joiner learns that it may try again, and its next try is a claim like any other.
 */
export async function join(
  context: RequestContext,
  recordKey: RecordKey,
  joined: Extract<Decision, { kind: 'join' }>,
): Promise<Ending> {
  const { engine, head } = context;
  const { waitersMax, token } = joined;
  try {
    // `Prefer: wait=N` (RFC 7240 section 4.3) shortens the wait of the policy, never lengthens it.
    const waitMs = preferredWaitMs(readPreferences(head.rawHeaders), joined.waitMs) ?? joined.waitMs;
    const waited = await awaitSettled(context, recordKey, { waitMs, waitersMax, token, onDrain: 'go-on' });
    switch (waited.kind) {
      case 'settled':
        return answerSettled(context, waited.view);
      case 'gone':
      case 'running':
        return answerProblem(context, 'in-flight', 'in_flight');
      case 'no-place':
        return waited.of === 'key-full'
          ? answerProblem(context, 'in-flight', 'in_flight')
          : answerOverloaded(context, waited.of);
      default:
        return unreachable(waited);
    }
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    // Never a forward here: a leader is at work.
    engine.log.storeUnavailable(error.reason, error.message);
    return answerStoreUnavailable(context, error.reason);
  }
}

/** For who waited for it: what became of the execution. */
export function answerSettled(context: RequestContext, view: RecordView): Ending {
  switch (view.state) {
    case 'claimed':
    case 'dispatched':
      return answerProblem(context, 'in-flight', 'in_flight');
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
