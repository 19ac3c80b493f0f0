import { lockOf } from './core/lock-policy.ts';
import { versionUse } from './core/precondition.ts';
import { unreachable } from './core/unreachable.ts';
import { forward } from './engine/forward.ts';
import { forwardLocked } from './engine/forward-locked.ts';
import type { HeldBody } from './engine/held-body.ts';
import { readBody } from './engine/read-body.ts';
import type { Ending, RequestContext } from './engine/types.ts';
import { readVersioned, writeRead, writeUnkeyed } from './engine/versioned.ts';

/** The way of a request that makes no record, from where `pipeline.ts` leaves it. */

export function handleUnkeyed(context: RequestContext): Promise<Ending> {
  const use = versionUse(context.policy, context.head.method);
  switch (use.kind) {
    case 'none':
      return handleBypass(context);
    case 'read':
      return readVersioned(context, use.kept);
    case 'write':
      return writeUnkeyed(context, use.kept);
    default:
      return unreachable(use);
  }
}

/** One write to the backend costs less than a stream, and a body in memory can be sent again if nothing was sent. */
const SMALL_BODY_BYTES_MAX = 16 * 1024;

async function handleBypass(context: RequestContext): Promise<Ending> {
  if (lockOf(context.policy, context.requestClass) !== null) return await handleLocked(context);
  const { lengthBytes } = context.incoming.body;
  if (lengthBytes === null || lengthBytes === 0 || lengthBytes > SMALL_BODY_BYTES_MAX) {
    return await forward(context, { kind: 'as-it-comes' });
  }
  const read = await readBody(context, SMALL_BODY_BYTES_MAX);
  if (read.kind === 'ended') return read.ending;
  try {
    return await forward(context, { kind: 'read', bytes: read.body.bytes() });
  } finally {
    read.body.drop();
  }
}

/** Read whole before it waits in a queue: a client that sends slowly must not hold what others wait for. */
async function handleLocked(context: RequestContext): Promise<Ending> {
  const read = await readBody(context, context.policy.requestBytesMax);
  if (read.kind === 'ended') return read.ending;
  try {
    return await forwardUnkeyed(context, read.body);
  } finally {
    read.body.drop();
  }
}

/** With its body read: for its key, which turned out not to be there, or for its lock. */
export async function forwardUnkeyed(context: RequestContext, body: HeldBody): Promise<Ending> {
  const { policy, requestClass, head } = context;
  const use = versionUse(policy, head.method);
  if (use.kind === 'write') return await writeRead(context, use.kept, body.bytes());
  const lock = lockOf(policy, requestClass);
  return lock === null
    ? await forward(context, { kind: 'read', bytes: body.bytes() })
    : await forwardLocked(context, lock, body.bytes());
}
