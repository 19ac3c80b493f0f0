import { settleGrpc, trailersOn } from '../core/grpc.ts';
import { forwardRequestHeaders, retryAfterMs, withContentLength } from '../core/headers.ts';
import type { RoutePolicy } from '../core/policy.ts';
import type { Claim, PlainResponse, WriteResult } from '../core/record.ts';
import { type Settlement, settle } from '../core/settle.ts';
import { unreachable } from '../core/unreachable.ts';
import { firstValue } from '../core/wire.ts';
import { type Capture, type Captured, startCapture } from '../http/capture.ts';
import type { OutgoingRequest } from '../http/seam.ts';
import { StoreUnavailable } from '../store/contract.ts';
import type { Hold } from '../store/keep-alive.ts';
import { forwardFacts, unreachableDetail } from './forward.ts';
import { leaseMarginMs } from './lease-margin.ts';
import { endLocks, lateAnswer, lockLasts, refuseUnlocked, takeLocksUnder, withLockTokens } from './lock.ts';
import type { HeldLocks } from './lock-keeper.ts';
import { markAnswer } from './mark-answer.ts';
import { once } from './once.ts';
import { answerProblem, answerStoreUnavailable } from './respond.ts';
import { heldForm } from './sealing.ts';
import type { Ending, RequestContext } from './types.ts';
import type { VersionedWrite } from './versioned-write.ts';

/**
 * An execution under a claim, from the claim to its settlement. From here on no failure of the store lets the request
 * out again: it can only delay the answer, or leave the key unknown.
 */
export async function execute(
  context: RequestContext,
  claim: Claim,
  attempt: number,
  claimSentMs: number,
  body: Uint8Array,
  reservation: VersionedWrite | null = null,
): Promise<Ending> {
  const { engine, policy } = context;
  // A renewal and a settlement may both find the claim gone.
  const lost = once(() => claimLost(context));
  const hold = engine.keepAlive.hold(claim, policy.leaseMs, claimSentMs, lost);
  const taken = policy.lock === null ? null : await takeLocksUnder(hold, context, policy.lock, body);
  if (taken !== null && taken.kind !== 'held') return await refuseUnlocked(context, claim, taken);
  const locks = taken?.locks ?? null;
  if (policy.dispatchMark === 'separate') {
    const refused = await markDispatch(context, claim, hold);
    if (refused !== null) {
      locks?.release();
      await reservation?.settle({ kind: 'unchanged' });
      return refused;
    }
  }
  let answered: Ending | null = null;
  const capture = startCapture({
    upstream: context.snapshot.upstream,
    request: outgoing(context, claim, attempt, body, locks),
    reply: context.incoming.reply,
    responseBytesMax: policy.responseBytesMax,
    budget: engine.budget,
    timeouts: policy.timeouts,
    beforeDispatch: () => mayDispatch(context, hold, locks, reservation),
    mark: (head, size, end) => markAnswer(context, head, size, end),
    editHead: reservation?.editHead ?? null,
    ...{ wallMs: engine.wallMs, trailers: trailersOn(policy) },
    onClientTimeout: () => {
      answered = answerProblem(context, 'upstream-timeout', 'parked');
    },
  });
  const stopShutdown = engine.onShutdown(() =>
    capture.destroy({ kind: 'failed', cause: 'aborted', message: 'shut down' }),
  );
  try {
    const captured = await capture.ended;
    hold.release();
    engine.metrics.upstreamEnded(policy.name, captured.upstreamMs / 1000);
    const settlement = settlementOf(captured, capture, policy);
    const versioned = reservation?.settleBy(settlement, captured.head?.status ?? null);
    const written = await write(context, claim, settlement, {
      captured,
      body: () => capture.body(),
      onLost: lost,
      // Two may hold the body: a settlement that is still being tried, and a slow client's socket. After both.
      onEnd: () => context.incoming.reply.onClosed(() => capture.dispose()),
    });
    if (locks !== null) endLocks(locks, captured.end, lateAnswer(policy), policy);
    if (versioned !== undefined) await versioned;
    if (answered !== null && settlement.kind === 'complete' && written === 'ok')
      engine.metrics.resolved('late-answer', 'completed');
    return { ...answer(context, capture, captured, settlement, written, answered), attempt };
  } catch (error) {
    capture.dispose();
    locks?.abandon();
    throw error;
  } finally {
    stopShutdown();
    hold.release();
    reservation?.abandon();
  }
}

function settlementOf(captured: Captured, capture: Capture, policy: RoutePolicy): Settlement {
  const grpc = policy.dialect?.grpc ?? null;
  if (grpc === null) return settle(captured.end, captured.body, policy);
  const { rawTrailers, body } = captured;
  const answer = {
    rawHeaders: captured.head?.rawHeaders ?? [],
    rawTrailers,
    body,
    bytes: () => capture.body(),
  };
  return settleGrpc(captured.end, answer, grpc, policy);
}

/** The last look before the first byte leaves. */
function mayDispatch(
  { engine, policy }: RequestContext,
  hold: Hold,
  locks: HeldLocks | null,
  reservation: VersionedWrite | null,
): 'go' | 'stop' {
  const leftMs = Math.min(hold.leaseLeftMs(), reservation?.leaseLeftMs() ?? Number.POSITIVE_INFINITY);
  const lasts = leftMs > leaseMarginMs(policy) && lockLasts(policy.lock, locks) === 'yes';
  return lasts && engine.shuttingDown() === 'no' ? 'go' : 'stop';
}

/** Null: marked, go on. Without a proven mark nothing is dispatched. */
async function markDispatch(context: RequestContext, claim: Claim, hold: Hold): Promise<Ending | null> {
  const { engine, policy } = context;
  try {
    if ((await engine.store.dispatch(claim)) === 'ok') return null;
    hold.release();
    return answerProblem(context, 'in-flight', 'in_flight');
  } catch (error) {
    hold.release();
    if (!(error instanceof StoreUnavailable)) throw error;
    engine.log.storeUnavailable(error.reason, error.message);
    engine.settler.releaseOwner(claim.recordKey, claim.owner, policy.leaseMs);
    return answerStoreUnavailable(context, error.reason);
  }
}

function outgoing(
  context: RequestContext,
  claim: Claim,
  attempt: number,
  body: Uint8Array,
  locks: HeldLocks | null,
): OutgoingRequest {
  const { head, policy } = context;
  // A repeat may accept other codings than the first request did; one form fits all (edge case 58).
  const acceptEncoding = policy.fingerprint.headers.includes('accept-encoding') ? 'keep' : 'identity';
  const headers = withLockTokens(
    forwardRequestHeaders(
      head.rawHeaders,
      forwardFacts(context, { token: claim.token, attempt, acceptEncoding }),
    ),
    locks,
  );
  const framed = body.byteLength > 0 || context.incoming.body.framing !== 'none';
  return {
    method: head.method,
    target: head.target,
    rawHeaders: framed ? withContentLength(headers, body.byteLength) : headers,
    body: { kind: 'bytes', bytes: body },
    sockets: 'keyed',
  };
}

type Written = {
  readonly captured: Captured;
  readonly body: () => Uint8Array;
  readonly onLost: () => void;
  readonly onEnd: () => void;
};

async function write(
  context: RequestContext,
  claim: Claim,
  settlement: Settlement,
  { captured, body, onLost, onEnd }: Written,
): Promise<WriteResult | 'pending'> {
  const { engine, policy, snapshot } = context;
  const { store, settler } = engine;
  const { settleWaitMs } = snapshot.config.storePolicy;
  const settling = { leaseMs: policy.leaseMs, settleWaitMs, onLost, onEnd };
  switch (settlement.kind) {
    case 'complete': {
      const response = storedResponse(captured, settlement.keep, body);
      const held = heldForm(context, claim.recordKey, response);
      return await settler.settle({
        ...settling,
        // Inside the write, where a head that must not be stored counts as a store that failed.
        write: () => store.complete(claim, held.form(), policy.retainMs),
        onEnd: () => {
          held.drop();
          onEnd();
        },
      });
    }
    case 'release': {
      const after = retryAfterMs(
        captured.head === null ? undefined : firstValue(captured.head.rawHeaders, 'retry-after'),
        engine.wallMs(),
      );
      return await settler.settle({ ...settling, write: () => store.release(claim, after) });
    }
    case 'park':
      engine.metrics.unknownRecord(policy.name, settlement.reason);
      return await settler.settle({ ...settling, write: () => store.park(claim, settlement.reason) });
    default:
      return unreachable(settlement);
  }
}

function storedResponse(
  captured: Captured,
  keep: 'full' | 'unstored',
  body: () => Uint8Array,
): PlainResponse {
  const status = captured.head?.status ?? 0;
  if (keep === 'unstored') return { kind: 'unstored', status, receivedAtMs: captured.receivedAtMs };
  return {
    kind: 'full',
    status,
    rawHeaders: captured.head?.rawHeaders ?? [],
    ...(captured.rawTrailers.length === 0 ? {} : { rawTrailers: captured.rawTrailers }),
    body: body(),
    receivedAtMs: captured.receivedAtMs,
  };
}

/** The claim is settled, or as settled as the store allows: the client gets the rest of its answer. */
function answer(
  context: RequestContext,
  capture: Capture,
  captured: Captured,
  settlement: Settlement,
  written: WriteResult | 'pending',
  answered: Ending | null,
): Ending {
  const { incoming } = context;
  const { end, upstreamMs } = captured;
  if (end.kind === 'complete') {
    capture.finish();
    const outcome =
      settlement.kind === 'complete'
        ? completeOutcome(settlement.keep, written)
        : settlement.kind === 'release'
          ? 'released'
          : 'parked';
    const status = answered === null ? end.status : answered.status;
    return {
      outcome,
      status,
      problem: answered?.problem ?? null,
      context,
      upstreamMs,
      bytesOut: captured.bodyBytes,
      attempt: null,
    };
  }
  if (answered !== null) return { ...answered, upstreamMs };
  if (end.kind === 'never-dispatched') {
    return {
      ...answerProblem(context, 'upstream-unreachable', 'upstream_unreachable', {
        detail: unreachableDetail(end.message),
        // Without a proven release the claim may have been another's since, who may have executed.
        ...(written === 'ok' ? {} : { executed: 'unknown' as const }),
      }),
      upstreamMs,
    };
  }
  if (incoming.reply.state() === 'open')
    return { ...answerProblem(context, 'upstream-failed', 'parked'), upstreamMs };
  incoming.reply.destroy();
  return {
    outcome: 'parked',
    status: captured.head?.status ?? 0,
    problem: null,
    context,
    upstreamMs,
    bytesOut: captured.bodyBytes,
    attempt: null,
  };
}

function completeOutcome(
  keep: 'full' | 'unstored',
  written: WriteResult | 'pending',
): 'executed' | 'unstored' {
  return keep === 'full' && written === 'ok' ? 'executed' : 'unstored';
}

/** The record was no longer ours: a failover lost the claim, or an operator re-opened the key. An incident. */
function claimLost(context: RequestContext): void {
  context.engine.metrics.claimLost(context.policy.name);
  context.engine.log.claimLost(context.policy.name, context.recordKey ?? '');
}
