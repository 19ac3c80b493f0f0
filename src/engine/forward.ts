import { trailersOn } from '../core/grpc.ts';
import { type ForwardFacts, forwardRequestHeaders, withContentLength } from '../core/headers.ts';
import type { Outcome } from '../core/outcome.ts';
import type { ExchangeEnd } from '../core/settle.ts';
import { unreachable } from '../core/unreachable.ts';
import { type Passed, pass } from '../http/pass.ts';
import type { EditHead, OutgoingBody, OutgoingRequest } from '../http/seam.ts';
import { endLocks, lockLasts, withLockTokens } from './lock.ts';
import type { HeldLocks } from './lock-keeper.ts';
import { answerProblem, type ProblemExtras } from './respond.ts';
import type { Ending, RequestContext } from './types.ts';

/** A request without a record: passed on as it is. */

export type ForwardBody =
  | { readonly kind: 'as-it-comes'; readonly tap?: (chunk: Uint8Array) => void }
  | { readonly kind: 'read'; readonly bytes: Uint8Array };

export type ForwardNote = {
  /** Forwarded without protection, and the client is told so. */
  readonly unprotected?: 'store-down';
  /** Told what the exchange proved, before the ending is known. */
  readonly onExchangeEnd?: (end: ExchangeEnd) => void;
  /** What the request holds until its exchange is over. */
  readonly locks?: HeldLocks;
  readonly editHead?: EditHead;
};

export async function forward(
  context: RequestContext,
  body: ForwardBody,
  note: ForwardNote = {},
): Promise<Ending> {
  const { engine, snapshot, incoming, policy } = context;
  const locks = note.locks ?? null;
  const addedHeaders = note.unprotected === undefined ? discoveryLink(context) : UNPROTECTED;
  for (let attempt = 1; ; attempt++) {
    const passed = await pass({
      upstream: snapshot.upstream,
      request: outgoing(context, body, locks),
      reply: incoming.reply,
      timeouts: policy.timeouts,
      wallMs: engine.wallMs,
      addedHeaders,
      trailers: trailersOn(policy),
      editHead: note.editHead ?? null,
      beforeDispatch: locks === null ? null : () => (lockLasts(policy.lock, locks) === 'yes' ? 'go' : 'stop'),
    });
    if (attempt === 1 && mayRetry(context, body, passed)) continue;
    note.onExchangeEnd?.(passed.end);
    if (locks !== null) endLocks(locks, passed.end, 'not-waited-for', policy);
    engine.metrics.upstreamEnded(policy.name, passed.upstreamMs / 1000);
    return endingOf(context, passed, note);
  }
}

const UNPROTECTED = ['Idempotency-Status', 'unprotected'];
const NONE: readonly string[] = [];

/** Who asks what a resource can do learns where its rules are (RFC 8631); observing changes no answer. */
function discoveryLink({ head, snapshot, policy }: RequestContext): readonly string[] {
  const { reserved } = snapshot.config;
  if (head.method !== 'OPTIONS' || reserved?.discovery !== 'on' || policy.mode === 'observe') return NONE;
  return ['Link', `<${reserved.prefix}>; rel="service-desc"; type="application/json"`];
}

/** Once more, only for an idempotent request of which provably nothing was sent (RFC 9110 section 9.2.2). */
function mayRetry(context: RequestContext, body: ForwardBody, passed: Passed): boolean {
  const { incoming, requestClass } = context;
  if (
    passed.end.kind !== 'never-dispatched' ||
    passed.end.cause === 'stopped' ||
    passed.end.cause === 'lease-too-short' ||
    passed.end.cause === 'queue-timeout'
  )
    return false;
  if (requestClass === 'unsafe' || incoming.reply.state() !== 'open') return false;
  return body.kind === 'read' || incoming.body.taken() === 'untouched';
}

export function outgoing(
  context: RequestContext,
  body: ForwardBody,
  locks: HeldLocks | null,
): OutgoingRequest {
  const { head, incoming } = context;
  const headers = withLockTokens(forwardRequestHeaders(head.rawHeaders, forwardFacts(context, null)), locks);
  const framed = incoming.body.framing !== 'none';
  return {
    method: head.method,
    target: head.target,
    rawHeaders: body.kind === 'read' && framed ? withContentLength(headers, body.bytes.byteLength) : headers,
    body: outgoingBody(context, body),
    sockets: 'shared',
  };
}

function outgoingBody(context: RequestContext, body: ForwardBody): OutgoingBody {
  switch (body.kind) {
    case 'read':
      return { kind: 'bytes', bytes: body.bytes };
    case 'as-it-comes':
      return context.incoming.body.framing === 'none' ? { kind: 'none' } : streamed(context, body.tap);
    default:
      return unreachable(body);
  }
}

function streamed(context: RequestContext, tap: ((chunk: Uint8Array) => void) | undefined): OutgoingBody {
  const { body } = context.incoming;
  return {
    kind: 'stream',
    open: (onChunk) =>
      body.stream((chunk) => {
        tap?.(chunk);
        onChunk();
      }),
  };
}

export function endingOf(context: RequestContext, passed: Passed, note: ForwardNote): Ending {
  const { incoming } = context;
  const { end, upstreamMs } = passed;
  const outcome: Outcome = note.unprotected === undefined ? 'bypassed' : 'unstored';
  const open = incoming.reply.state() === 'open';
  switch (end.kind) {
    case 'never-dispatched':
      return {
        ...answerProblem(context, 'upstream-unreachable', 'upstream_unreachable', {
          detail: unreachableDetail(end.message),
          // The store was not asked: an earlier request with this key may have been executed.
          ...(note.unprotected === undefined ? {} : { executed: 'unknown' as const }),
        }),
        upstreamMs,
      };
    case 'failed':
      if (open)
        return { ...answerProblem(context, 'upstream-failed', outcome, unprotected(context)), upstreamMs };
      break;
    case 'timed-out':
      if (open)
        return { ...answerProblem(context, 'upstream-timeout', outcome, unprotected(context)), upstreamMs };
      break;
    case 'complete':
      break;
    default:
      return unreachable(end);
  }
  return {
    outcome,
    status: passed.status,
    problem: null,
    context,
    upstreamMs,
    bytesOut: passed.bodyBytes,
    attempt: null,
  };
}

/** Without a key only an idempotent request may be sent again after it was sent once (RFC 9110 section 9.2.2). */
export function unprotected(context: RequestContext): ProblemExtras {
  return context.requestClass === 'unsafe' ? { keyed: 'unkeyed' } : {};
}

export function unreachableDetail(message: string): string {
  return `The backend could not be reached, and nothing was sent to it (${message}).`;
}

export function forwardFacts(context: RequestContext, execution: ForwardFacts['execution']): ForwardFacts {
  const { snapshot, incoming, head, host } = context;
  return {
    peerAddress: incoming.peer.address,
    protocol: incoming.peer.protocol,
    host,
    forwarding: snapshot.forwardingOf(incoming.peer.address),
    upstreamHost: snapshot.config.upstream.host === 'upstream' ? snapshot.upstream.authority : null,
    httpVersion: head.httpVersion,
    execution,
    ...(trailersOn(context.policy) === 'dropped' ? {} : { trailers: 'asked' as const }),
  };
}
