import type { Decision } from '../core/decide.ts';
import { withoutPreferences } from '../core/prefer.ts';
import type { Claim, RecordKey } from '../core/record.ts';
import { recordKey as recordKeyOf } from '../core/record-key.ts';
import { repeatedStart, type TaskPolicy, type TaskWish, taskWish } from '../core/task.ts';
import { taskId } from '../core/task-id.ts';
import { unreachable } from '../core/unreachable.ts';
import { shortRecordKey } from '../observe/request-line.ts';
import { StoreUnavailable } from '../store/contract.ts';
import { awaitSettled } from './await-settled.ts';
import type { ClaimAnswer } from './claim.ts';
import { execute } from './execute.ts';
import { giveBack } from './give-back.ts';
import type { HeldBody } from './held-body.ts';
import { answerSettled } from './join.ts';
import { NOBODY } from './nobody.ts';
import { answerOwn } from './resource.ts';
import { answerOverloaded, answerProblem } from './respond.ts';
import type { Ending, RequestContext } from './types.ts';

/**
 * The start of a task. The claim is that of every keyed request, so that a task is executed at most once and survives
 * this process as its record does; only its client is let go before the end.
 */

/** Null: no task, or nothing that is running; the request goes the way of every other. */
export function startTask(
  context: RequestContext,
  claimed: ClaimAnswer,
  digest: string,
  decision: Decision,
  body: HeldBody,
): Promise<Ending> | null {
  const { task } = context.policy;
  if (task === null) return null;
  const wish = taskWish(task, context.head.rawHeaders);
  if (wish === null) return null;
  const start: Start = { context, task, wish, recordKey: claimed.recordKey, fingerprint: digest };
  switch (decision.kind) {
    case 'execute': {
      const claim = { recordKey: claimed.recordKey, owner: claimed.owner, token: decision.token };
      return launch(start, claim, decision.attempt, claimed.sentMs, body);
    }
    case 'join':
    case 'in-flight': {
      body.drop();
      const { result } = claimed;
      return meet(start, result.kind === 'inFlight' ? result.token : null);
    }
    default:
      // It has ended, or is not the same request: what a repeat gets does not depend on who waited for the first.
      return null;
  }
}

type Start = {
  readonly context: RequestContext;
  readonly task: TaskPolicy;
  readonly wish: TaskWish;
  readonly recordKey: RecordKey;
  readonly fingerprint: string;
};

async function launch(
  start: Start,
  claim: Claim,
  attempt: number,
  claimSentMs: number,
  body: HeldBody,
): Promise<Ending> {
  const { context, task, wish } = start;
  if (context.engine.tasks.enter() === 'full') {
    // Else the next start would meet a task that nobody runs.
    await giveBack(context, claim);
    return answerOverloaded(context, 'tasks', task.retryAfterMs);
  }
  void run(start, claim, attempt, claimSentMs, body.handOver());
  return await answerWithin(start, claim.token, wish.waitMs ?? 0);
}

/** Never rejects: nobody is there to see it. */
async function run(
  { context, task }: Start,
  claim: Claim,
  attempt: number,
  claimSentMs: number,
  body: HeldBody,
): Promise<void> {
  const { engine, policy, principal } = context;
  // The place of its request, which ends before it.
  principal?.hold();
  try {
    const ending = await execute(inBackground(context, task), claim, attempt, claimSentMs, body.bytes());
    engine.metrics.taskEnded(policy.name, ending.outcome);
    engine.log.event('info', 'task ended', {
      route: policy.name,
      recordKey: shortRecordKey(claim.recordKey),
      attempt,
      outcome: ending.outcome,
      status: ending.status,
      upstreamMs: Math.round(ending.upstreamMs),
    });
  } catch (error) {
    engine.log.unexpected(error);
  } finally {
    body.drop();
    principal?.leave();
    engine.tasks.leave();
  }
}

/** Of the preferences those go that are kept here: the backend must not answer 202 as well. */
function inBackground(context: RequestContext, task: TaskPolicy): RequestContext {
  const { head, policy, incoming } = context;
  return {
    ...context,
    head: { ...head, rawHeaders: withoutPreferences(head.rawHeaders, ['respond-async', 'wait']) },
    incoming: { ...incoming, reply: NOBODY },
    policy: {
      ...policy,
      timeouts: { headMs: 0, bodyIdleMs: 0, totalMs: task.timeoutMs, lateAnswerMs: 0 },
    },
  };
}

/** `token`: of the execution in flight. */
async function meet(start: Start, token: number | null): Promise<Ending> {
  const { context, task, wish } = start;
  const repeat = repeatedStart(task, wish);
  switch (repeat.kind) {
    case 'wait':
      return await answerWithin(start, token, repeat.waitMs);
    case 'reject':
      return answerProblem(context, 'in-flight', 'in_flight', { retryAfterMs: task.retryAfterMs });
    default:
      return unreachable(repeat);
  }
}

/** The answer itself if it is there in time, else 202: that the task is there is known, whatever the wait brings. */
async function answerWithin(start: Start, token: number | null, waitMs: number): Promise<Ending> {
  const { context, task, recordKey } = start;
  if (waitMs === 0) return accepted(start);
  try {
    const wait = { waitMs, waitersMax: task.waitersMax, token, onDrain: 'end' } as const;
    const waited = await awaitSettled(context, recordKey, wait);
    return waited.kind === 'settled' ? answerSettled(context, waited.view) : accepted(start);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    context.engine.log.storeUnavailable(error.reason, error.message);
    return accepted(start);
  }
}

function accepted({ context, task, wish, recordKey, fingerprint }: Start): Ending {
  const { engine, incoming, snapshot } = context;
  const name = { recordKey, route: context.policy.name, fingerprint };
  const id = taskId(secretOf(context, recordKey), name, context.scope ?? EMPTY);
  const location = `${snapshot.config.reserved?.prefix ?? ''}/tasks/${id}`;
  const rawHeaders = [
    ...['Location', location, 'Retry-After', String(Math.ceil(task.retryAfterMs / 1000))],
    ...['Cache-Control', 'no-store', 'Vary', 'Prefer'],
    ...(wish.applied === null ? [] : ['Preference-Applied', wish.applied]),
  ];
  const document = { task: id, state: 'pending', location, retryAfterMs: task.retryAfterMs };
  return { ...answerOwn(engine, incoming, 202, rawHeaders, document), outcome: 'accepted', context };
}

const EMPTY = new Uint8Array(0);

/** The one that the record was made with, so that its task has one name for as long as it lives. */
function secretOf({ snapshot, policy, scope, key }: RequestContext, recordKey: RecordKey): Uint8Array {
  const { secrets } = snapshot;
  const [current = EMPTY] = secrets;
  if (secrets.length === 1 || scope === null || key === null) return current;
  return secrets.find((secret) => recordKeyOf(secret, policy.keyspace, scope, key) === recordKey) ?? current;
}
