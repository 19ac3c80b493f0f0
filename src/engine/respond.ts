import { type DialectPolicy, withDialectFields } from '../core/dialect.ts';
import { replayHeaders } from '../core/headers.ts';
import { readdressed } from '../core/json-rpc.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Overload } from '../core/overload.ts';
import type { StoredResponse } from '../core/record.ts';
import type { Incoming } from '../http/seam.ts';
import { renderProblem } from '../problems/problem.ts';
import type { ProblemCode } from '../problems/registry.ts';
import type { StoreUnavailableReason } from '../store/contract.ts';
import type { Ending, Engine, RequestContext, Snapshot } from './types.ts';

export type ProblemExtras = {
  readonly detail?: string;
  readonly retryAfterMs?: number;
  /** unkeyed: nothing would hold a repeat of this request back. */
  readonly keyed?: 'unkeyed';
  /** unknown: this attempt proves nothing of the key, whatever the code says by itself. */
  readonly executed?: 'unknown';
  readonly expectedSequence?: number;
  /** close: the request could be read in two ways. */
  readonly connection?: 'close';
};

/** The one place where a request is answered with a problem. */
export function answerProblem(
  context: RequestContext,
  code: ProblemCode,
  outcome: Outcome,
  extras: ProblemExtras = {},
): Ending {
  const { engine, snapshot, incoming, key, policy, replyId } = context;
  const { status, bytesOut } = sendProblem(engine, snapshot, incoming, code, {
    ...extras,
    ...(key === null ? {} : { key }),
    ...(typeof replyId === 'string' ? { replyId } : {}),
    dialect: policy.dialect,
  });
  return { outcome, status, problem: code, context, upstreamMs: 0, bytesOut, attempt: null };
}

/** 429: there is too much of something. */
export function answerOverloaded(context: RequestContext, overload: Overload, retryAfterMs?: number): Ending {
  context.engine.metrics.overloaded(overload);
  return answerProblem(
    context,
    'overloaded',
    'overloaded',
    retryAfterMs === undefined ? {} : { retryAfterMs },
  );
}

/** Says why: `disk_full` is another's to mend than `connection`. The words are those of /readyz and the metrics. */
export function answerStoreUnavailable(context: RequestContext, reason: StoreUnavailableReason): Ending {
  return answerProblem(context, 'store-unavailable', 'store_unavailable', {
    detail: `Without its store Onceward cannot tell a repeat from a first request, and the store is unavailable (${reason}). This attempt was not sent to the backend. Retry with the same key.`,
  });
}

/** A problem for a request that never got as far as a route. */
export function refuse(
  engine: Engine,
  snapshot: Snapshot,
  incoming: Incoming,
  code: ProblemCode,
  detail?: string,
  addedHeaders: readonly string[] = [],
  retryAfterMs?: number,
): Ending {
  const { status, bytesOut } = sendProblem(engine, snapshot, incoming, code, {
    ...(detail === undefined ? {} : { detail }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    addedHeaders,
  });
  const outcome = code === 'draining' || code === 'overloaded' ? 'overloaded' : 'rejected';
  return { outcome, status, problem: code, context: null, upstreamMs: 0, bytesOut, attempt: null };
}

/** After them nothing more is read from the connection: what its next bytes are is not certain, or two parties differ in it. */
const CLOSES: ReadonlySet<ProblemCode> = new Set([
  'bad-request',
  'draining',
  'expectation-failed',
  'head-too-large',
  'method-not-supported',
]);

function sendProblem(
  engine: Engine,
  snapshot: Snapshot,
  incoming: Incoming,
  code: ProblemCode,
  {
    addedHeaders = [],
    connection,
    ...extras
  }: ProblemExtras & {
    readonly key?: string;
    readonly dialect?: DialectPolicy | null;
    readonly replyId?: string;
    readonly addedHeaders?: readonly string[];
  },
): { readonly status: number; readonly bytesOut: number } {
  const problem = renderProblem({
    code,
    instance: engine.newUuid(),
    docsUrl: snapshot.config.docsUrl,
    ...extras,
  });
  engine.metrics.problem(code);
  if (incoming.reply.state() === 'gone') return { status: 0, bytesOut: 0 };
  const rawHeaders = [
    ...problem.rawHeaders,
    ...addedHeaders,
    'Date',
    new Date(engine.wallMs()).toUTCString(),
  ];
  // RFC 9110 section 15.5.2: a 401 says what would be taken.
  if (code === 'credential-invalid') rawHeaders.push('WWW-Authenticate', CHALLENGE);
  // A framing error leaves no trust in where the next request on this connection would begin.
  if (connection === 'close' || CLOSES.has(code)) rawHeaders.push('Connection', 'close');
  incoming.reply.send(
    { status: problem.status, rawHeaders },
    incoming.head.method === 'HEAD' ? null : problem.body,
  );
  return { status: problem.status, bytesOut: problem.body.byteLength };
}

const CHALLENGE = 'Bearer error="invalid_token"';

const NOT_READDRESSED =
  'The first request with this key was executed. What is kept of its answer has no message that could be given the id of this one; ask the server for the result.';

export function replay(
  context: RequestContext,
  stored: Extract<StoredResponse, { kind: 'full' }>,
  how: 'replayed' | 'joined',
): Ending {
  const { engine, incoming, policy, key, replyId } = context;
  const response = typeof replyId === 'string' ? readdressed(stored, replyId) : stored;
  if (response === null)
    return answerProblem(context, 'response-not-stored', 'unstored', { detail: NOT_READDRESSED });
  const { reply } = incoming;
  const bytesOut = response.body.byteLength;
  // Held until a client has read it, however slowly.
  if (engine.budget.take(bytesOut) === 'full') return answerOverloaded(context, 'buffer');
  reply.onClosed(() => engine.budget.give(bytesOut));
  const kept = replayHeaders(response, policy, how, engine.wallMs());
  const rawHeaders = withDialectFields(kept, policy.dialect, key, 'accepted');
  if (response.rawTrailers === undefined) reply.send({ status: response.status, rawHeaders }, response.body);
  else {
    reply.begin({ status: response.status, rawHeaders });
    reply.trailers(response.rawTrailers);
    reply.end(response.body);
  }
  return {
    outcome: how,
    status: response.status,
    problem: null,
    context,
    upstreamMs: 0,
    bytesOut,
    attempt: null,
  };
}
