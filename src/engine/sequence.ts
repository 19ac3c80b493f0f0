import type { CellKey } from '../core/cell.ts';
import { cellKey } from '../core/cell-key.ts';
import { fingerprint } from '../core/fingerprint.ts';
import type { Planned } from '../core/plan.ts';
import { readPreferences } from '../core/prefer.ts';
import type { RecordKey } from '../core/record.ts';
import { sequenceName } from '../core/sequence.ts';
import { preferredWaitMs } from '../core/task.ts';
import { unreachable } from '../core/unreachable.ts';
import { StoreUnavailable } from '../store/contract.ts';
import type { ClaimAnswer } from './claim.ts';
import type { HeldBody } from './held-body.ts';
import { answerOverloaded, answerProblem, answerStoreUnavailable } from './respond.ts';
import { type Asked, type Refusal, type Tried, tryTurn } from './sequence-turn.ts';
import type { Ending, RequestContext } from './types.ts';
import { type Wake, wakeWithin } from './wake.ts';

/** Requests of one producer, executed once and in order. What its turn leads to is what a key leads to. */

export type Act = (
  context: RequestContext,
  claimed: ClaimAnswer,
  digest: string,
  body: HeldBody,
) => Promise<Ending>;

type Sequenced = Extract<Planned, { kind: 'sequenced' }>;

/** Looks that found something changed; more than that is a producer that several fight over. */
const LOOKS_MAX = 20;

export async function handleSequence(
  unread: RequestContext,
  planned: Sequenced,
  body: HeldBody,
  act: Act,
): Promise<Ending> {
  const { snapshot, policy, head } = unread;
  const { ids, scope } = planned;
  const context = { ...unread, scope, key: sequenceName(ids) };
  const digest = fingerprint(policy.fingerprint, head, body.bytes());
  const cellKeys = producerCells(snapshot.secrets, scope, ids.producerId);
  const turn = await awaitTurn({ context, ids, scope, digest, body, cellKeys });
  if (turn.kind === 'ended') return turn.ending;
  const { claimed } = turn;
  return await act({ ...context, recordKey: claimed.recordKey }, claimed, digest, body);
}

type Turn =
  | { readonly kind: 'act'; readonly claimed: ClaimAnswer }
  | { readonly kind: 'ended'; readonly ending: Ending };

/** Until then nothing has been dispatched, so that a store that fails can only refuse. */
async function awaitTurn(asked: Asked): Promise<Turn> {
  const { context } = asked;
  const waiting = createWaiting(asked);
  try {
    for (let looks = 1; looks <= LOOKS_MAX; ) {
      const tried = await tryTurn(asked);
      switch (tried.kind) {
        case 'turn':
        case 'taken':
          count(context, tried.kind === 'turn' ? 'in-turn' : 'repeat');
          return { kind: 'act', claimed: tried.claimed };
        case 'not-claimed':
          return { kind: 'ended', ending: answerNotClaimed(context, tried.claimed) };
        case 'refused':
          return { kind: 'ended', ending: answerRefusal(context, tried.refusal) };
        case 'wait': {
          const ending = await waiting.next(tried);
          if (ending !== null) return { kind: 'ended', ending };
          break;
        }
        case 'again':
          looks += 1;
          break;
        default:
          return unreachable(tried);
      }
    }
    const { sequence } = asked.ids;
    return { kind: 'ended', ending: answerRefusal(context, { kind: 'waiting', expected: sequence }) };
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    context.engine.log.storeUnavailable(error.reason, error.message);
    return { kind: 'ended', ending: answerStoreUnavailable(context, error.reason) };
  } finally {
    waiting.end();
  }
}

/** A producer belongs to a caller, in whatever keyspace it is used: to another one it does not exist. */
export function producerCells(
  secrets: readonly Uint8Array[],
  scope: Uint8Array,
  producerId: string,
): readonly CellKey[] {
  return secrets.map((secret) => cellKey(secret, 'sequence', '', scope, producerId));
}

type Waiting = {
  /** Null: look again. */
  next(tried: Extract<Tried, { kind: 'wait' }>): Promise<Ending | null>;
  end(): void;
};

/** A wake-up is a hint: what is waited for is read again at least this often. */
const POLL_MS = 250;

/** As long as a repeat waits for the first request, and under the same bounds. */
function createWaiting({ context, cellKeys }: Asked): Waiting {
  const { engine, policy, incoming, head } = context;
  const { inFlight } = policy;
  const [cell = ''] = cellKeys;
  const abort = new AbortController();
  let watch: { readonly wake: Wake; readonly settles: RecordKey | null } | null = null;
  let endMs: number | null = null;

  function enter(waitersMax: number, policyMs: number): Ending | null {
    const entered = engine.waiters.enter(cell, waitersMax);
    if (entered === 'entered') {
      incoming.reply.onGone(() => abort.abort());
      endMs =
        engine.monotonicMs() + (preferredWaitMs(readPreferences(head.rawHeaders), policyMs) ?? policyMs);
      return null;
    }
    return entered === 'key-full'
      ? answerProblem(context, 'in-flight', 'in_flight')
      : answerOverloaded(context, entered);
  }

  /** Woken by a write of the cell, or by a settlement of the record before. */
  function watchTurn(settles: RecordKey | null, leftMs: number): Wake {
    const hints = [(signal: AbortSignal) => engine.store.cells.changed(cell, signal)];
    if (settles !== null) hints.push((signal) => engine.store.settled(settles, signal));
    return wakeWithin(Math.min(POLL_MS, leftMs), abort.signal, ...hints);
  }

  return {
    async next({ refusal, settles }) {
      if (inFlight.kind === 'reject') return answerRefusal(context, refusal);
      if (endMs === null) {
        const full = enter(inFlight.waitersMax, inFlight.waitMs);
        if (full !== null) return full;
      }
      const leftMs = (endMs ?? 0) - engine.monotonicMs();
      if (leftMs <= 0 || abort.signal.aborted) return answerRefusal(context, refusal);
      if (engine.shuttingDown() === 'yes') return answerProblem(context, 'draining', 'overloaded');
      if (watch !== null && watch.settles === settles) {
        await watch.wake.promise;
        watch = null;
        return null;
      }
      // Subscribed first, looked at again before it is waited for: what changed in between is seen by the look.
      watch?.wake.cancel();
      watch = { wake: watchTurn(settles, leftMs), settles };
      return null;
    },
    end() {
      watch?.wake.cancel();
      if (endMs !== null) engine.waiters.leave(cell);
    },
  };
}

function answerNotClaimed(
  context: RequestContext,
  claimed: Extract<Tried, { kind: 'not-claimed' }>['claimed'],
): Ending {
  switch (claimed.kind) {
    case 'down':
      context.engine.log.storeUnavailable(claimed.error.reason, claimed.error.message);
      return answerStoreUnavailable(context, claimed.error.reason);
    case 'no-new-keys':
      return answerOverloaded(context, 'principal_new_keys', claimed.retryAfterMs);
    default:
      return unreachable(claimed);
  }
}

function answerRefusal(context: RequestContext, refusal: Refusal): Ending {
  switch (refusal.kind) {
    case 'unknown':
      count(context, 'unknown-producer');
      return answerProblem(context, 'producer-unknown', 'rejected', { detail: UNKNOWN[refusal.why] });
    case 'fenced':
      count(context, 'fenced');
      return answerProblem(context, 'producer-fenced', 'rejected');
    case 'gap':
      count(context, 'gap');
      return answerProblem(context, 'sequence-gap', 'rejected', { expectedSequence: refusal.expected });
    case 'waiting':
      count(context, 'waiting');
      return answerProblem(context, 'sequence-waiting', 'in_flight', { expectedSequence: refusal.expected });
    case 'blocked':
      count(context, 'blocked');
      return answerProblem(context, 'sequence-blocked', 'unknown', { expectedSequence: refusal.expected });
    case 'too-old':
      count(context, 'too-old');
      return answerProblem(
        context,
        'sequence-too-old',
        'rejected',
        refusal.executed === 'yes' ? {} : { executed: 'unknown', detail: BEFORE_ALL },
      );
    default:
      return unreachable(refusal);
  }
}

const BEFORE_ALL =
  'This number is before the first that is known of this producer. Whether it was executed is not known, and it is not executed now; ask the backend.';

const NOT_EXECUTED =
  'This attempt was not executed; whether an earlier one was is not known here any more. Find out with the backend before you send the operation under a new producer or epoch.';

const UNKNOWN: Readonly<Record<Extract<Refusal, { kind: 'unknown' }>['why'], string>> = {
  absent: `No such producer was issued to this caller, or it has expired. ${NOT_EXECUTED}`,
  epoch: `This epoch of the producer was never issued, or the store has lost it. ${NOT_EXECUTED}`,
  streams: `This producer is in use in as many keyspaces as one can be; nothing was executed. Get another one for this route.`,
  expired: `The last request of this producer is so long ago that its record may be gone. ${NOT_EXECUTED} A new epoch of the producer begins anew.`,
};

function count(
  context: RequestContext,
  place: Parameters<RequestContext['engine']['metrics']['sequenced']>[1],
): void {
  context.engine.metrics.sequenced(context.policy.name, place);
}
