import { trailersOn } from '../core/grpc.ts';
import { type KeptVersions, versionUse } from '../core/precondition.ts';
import type { Claim } from '../core/record.ts';
import { settle } from '../core/settle.ts';
import { unreachable } from '../core/unreachable.ts';
import { type Capture, type Captured, startCapture } from '../http/capture.ts';
import { execute } from './execute.ts';
import { endingOf, forward, outgoing, unprotected } from './forward.ts';
import { giveBackProven } from './give-back.ts';
import { leaseMarginMs } from './lease-margin.ts';
import { readBody } from './read-body.ts';
import { answerProblem, answerStoreUnavailable, type ProblemExtras } from './respond.ts';
import type { Ending, RequestContext } from './types.ts';
import {
  editHeadOfRead,
  type ReservedWrite,
  reserveWrite,
  type VersionedWrite,
  withoutTags,
} from './versioned-write.ts';

/** Requests to resources whose versions are kept here: reads, writes with a key, writes without. */

export async function readVersioned(context: RequestContext, kept: KeptVersions): Promise<Ending> {
  const editHead = await editHeadOfRead(context, kept);
  return await forward(withoutTags(context), { kind: 'as-it-comes' }, { editHead });
}

export type Granted = { readonly claim: Claim; readonly attempt: number; readonly sentMs: number };

/**
 * The claim came first: a repeat of a write that was made never gets here, and is not told that the version has changed,
 * which it has changed itself.
 */
export function executeGranted(context: RequestContext, granted: Granted, body: Uint8Array): Promise<Ending> {
  const use = versionUse(context.policy, context.head.method);
  if (use.kind === 'write') return executeVersioned(context, use.kept, granted, body);
  return execute(context, granted.claim, granted.attempt, granted.sentMs, body);
}

async function executeVersioned(
  context: RequestContext,
  kept: KeptVersions,
  { claim, attempt, sentMs }: Granted,
  body: Uint8Array,
): Promise<Ending> {
  const { recordKey, token } = claim;
  const reserved = await reserveWrite(context, kept, { recordKey, token });
  return reserved.kind === 'reserved'
    ? await execute(withoutTags(context), claim, attempt, sentMs, body, reserved.write)
    : await refuseWrite(context, claim, reserved);
}

type Refused = Exclude<ReservedWrite, { kind: 'reserved' }>;

async function refuseWrite(context: RequestContext, claim: Claim, refused: Refused): Promise<Ending> {
  if (refused.kind !== 'down') return answerRefused(context, refused, await giveBackProven(context, claim));
  context.engine.settler.releaseOwner(claim.recordKey, claim.owner, context.policy.leaseMs);
  return answerRefused(context, refused, {});
}

function answerRefused(context: RequestContext, refused: Refused, extras: ProblemExtras): Ending {
  const { engine, policy } = context;
  switch (refused.kind) {
    case 'stale':
      engine.metrics.precondition(policy.name, 'stale');
      return answerProblem(context, 'precondition-failed', 'stale', extras);
    case 'busy':
      engine.metrics.precondition(policy.name, 'busy');
      return answerProblem(context, 'version-busy', 'in_flight', extras);
    case 'unsure':
      engine.metrics.precondition(policy.name, 'unsure');
      return answerProblem(context, 'version-unknown', 'unknown', {
        ...extras,
        retryAfterMs: refused.leftMs,
      });
    case 'down':
      engine.log.storeUnavailable(refused.error.reason, refused.error.message);
      return answerStoreUnavailable(context, refused.error.reason);
    default:
      return unreachable(refused);
  }
}

/** Whole before it holds the resource: a client that sends slowly must not keep others from it. */
export async function writeUnkeyed(context: RequestContext, kept: KeptVersions): Promise<Ending> {
  const read = await readBody(context, context.policy.requestBytesMax);
  if (read.kind === 'ended') return read.ending;
  try {
    return await writeRead(context, kept, read.body.bytes());
  } finally {
    read.body.drop();
  }
}

/** A write without a key makes no record, and its end is that of the version alone. */
export async function writeRead(
  context: RequestContext,
  kept: KeptVersions,
  body: Uint8Array,
): Promise<Ending> {
  const reserved = await reserveWrite(context, kept, null);
  return reserved.kind === 'reserved'
    ? await exchange(withoutTags(context), reserved.write, body)
    : answerRefused(context, reserved, { keyed: 'unkeyed' });
}

/** As with a key, a client that leaves does not break it off: half a write would leave the version in doubt. */
async function exchange(context: RequestContext, write: VersionedWrite, body: Uint8Array): Promise<Ending> {
  const { engine, snapshot, policy, incoming } = context;
  let answered: Ending | null = null;
  const capture = startCapture({
    upstream: snapshot.upstream,
    request: { ...outgoing(context, { kind: 'read', bytes: body }, null), sockets: 'keyed' },
    reply: incoming.reply,
    responseBytesMax: policy.responseBytesMax,
    budget: engine.budget,
    timeouts: policy.timeouts,
    wallMs: engine.wallMs,
    beforeDispatch: () =>
      write.leaseLeftMs() > leaseMarginMs(policy) && engine.shuttingDown() === 'no' ? 'go' : 'stop',
    mark: ({ rawHeaders }) => [...rawHeaders],
    editHead: write.editHead,
    trailers: trailersOn(policy),
    onClientTimeout: () => {
      answered = answerProblem(context, 'upstream-timeout', 'bypassed', unprotected(context));
    },
  });
  const stopShutdown = engine.onShutdown(() =>
    capture.destroy({ kind: 'failed', cause: 'aborted', message: 'shut down' }),
  );
  try {
    const captured = await capture.ended;
    const settlement = settle(captured.end, captured.body, policy);
    // Before the last byte goes out: whoever has the whole answer finds its version with the next request.
    await write.settleBy(settlement, captured.head?.status ?? null);
    engine.metrics.upstreamEnded(policy.name, captured.upstreamMs / 1000);
    return ended(context, capture, captured, answered);
  } finally {
    stopShutdown();
    incoming.reply.onClosed(() => capture.dispose());
    write.abandon();
  }
}

/** The version is settled: the client gets the rest of its answer. */
function ended(
  context: RequestContext,
  capture: Capture,
  { end, head, bodyBytes, upstreamMs }: Captured,
  answered: Ending | null,
): Ending {
  const { reply } = context.incoming;
  if (end.kind === 'complete') capture.finish();
  if (answered !== null) return { ...answered, upstreamMs };
  if (end.kind !== 'complete' && reply.state() === 'head-sent') reply.destroy();
  return endingOf(context, { end, status: head?.status ?? 0, bodyBytes, upstreamMs }, {});
}
