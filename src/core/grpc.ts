import type { RoutePolicy, StatusAction } from './policy.ts';
import { type ExchangeEnd, type Settlement, settle } from './settle.ts';
import { firstValue, type RawHeaders } from './wire.ts';

/**
 * Unary calls of gRPC over HTTP/2 (PROTOCOL-HTTP2.md of grpc/grpc): the status of HTTP is always 200, what became of the
 * call stands in `grpc-status`, in the trailers or, where there was nothing to send, in the head.
 */

export type GrpcPolicy = {
  /** Index is the status of gRPC, 0 to 16. */
  readonly actions: readonly StatusAction[];
};

export type GrpcRule = {
  readonly status: number;
  readonly name: string;
  readonly action: StatusAction;
  readonly why: string;
};

/** What a status does to the claim, unless the route says otherwise. */
export const DEFAULT_GRPC_RULES: readonly GrpcRule[] = [
  { status: 0, name: 'OK', action: 'complete', why: 'executed' },
  { status: 1, name: 'CANCELLED', action: 'park', why: 'broken off at a point that is not known' },
  { status: 2, name: 'UNKNOWN', action: 'complete', why: 'the backend may have acted before it failed' },
  {
    status: 3,
    name: 'INVALID_ARGUMENT',
    action: 'complete',
    why: 'judged by the backend; the same call would be judged the same',
  },
  {
    status: 4,
    name: 'DEADLINE_EXCEEDED',
    action: 'park',
    why: 'the backend says that it may have succeeded all the same',
  },
  { status: 5, name: 'NOT_FOUND', action: 'complete', why: 'judged by the backend' },
  { status: 6, name: 'ALREADY_EXISTS', action: 'complete', why: 'judged by the backend' },
  { status: 7, name: 'PERMISSION_DENIED', action: 'complete', why: 'judged by the backend' },
  {
    status: 8,
    name: 'RESOURCE_EXHAUSTED',
    action: 'release',
    why: 'a quota or a lack of room: not executed, as 429 in HTTP',
  },
  { status: 9, name: 'FAILED_PRECONDITION', action: 'complete', why: 'judged by the backend' },
  {
    status: 10,
    name: 'ABORTED',
    action: 'complete',
    why: 'judged by the backend: the caller is to begin anew, with a new key',
  },
  { status: 11, name: 'OUT_OF_RANGE', action: 'complete', why: 'judged by the backend' },
  { status: 12, name: 'UNIMPLEMENTED', action: 'complete', why: 'judged by the backend' },
  { status: 13, name: 'INTERNAL', action: 'complete', why: 'the backend may have acted before it failed' },
  {
    status: 14,
    name: 'UNAVAILABLE',
    action: 'park',
    why: 'also what a hop says that lost its connection with the call under way',
  },
  { status: 15, name: 'DATA_LOSS', action: 'complete', why: 'the backend may have acted before it failed' },
  {
    status: 16,
    name: 'UNAUTHENTICATED',
    action: 'release',
    why: 'refused before execution for want of credentials, as 401 in HTTP',
  },
];

export const GRPC_NAMES = DEFAULT_GRPC_RULES.map(({ name }) => name);

/** `overrides`: by name. */
export function resolveGrpc(overrides: Readonly<Record<string, StatusAction>>): GrpcPolicy {
  return { actions: DEFAULT_GRPC_RULES.map(({ name, action }) => overrides[name] ?? action) };
}

/** Null: none that can be read. The trailers have the last word. */
export function grpcStatus(rawHeaders: RawHeaders, rawTrailers: RawHeaders): number | null {
  const text = firstValue(rawTrailers, 'grpc-status') ?? firstValue(rawHeaders, 'grpc-status');
  return text !== undefined && /^(?:0|[1-9]\d{0,8})$/.test(text) ? Number(text) : null;
}

/** Whether the call is over with its head: what would be a trailer stands there. */
export function isTrailersOnly(rawHeaders: RawHeaders): boolean {
  return firstValue(rawHeaders, 'grpc-status') !== undefined;
}

const PREFIX_BYTES = 5;

/** How many messages: each is a flag, four bytes of length, and so many bytes. Null: the last one is not whole. */
export function messagesIn(bytes: Uint8Array): number | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  let messages = 0;
  while (at < bytes.byteLength) {
    if (bytes.byteLength - at < PREFIX_BYTES) return null;
    at += PREFIX_BYTES + view.getUint32(at + 1);
    if (at > bytes.byteLength) return null;
    messages += 1;
  }
  return messages;
}

export type GrpcAnswer = {
  readonly rawHeaders: RawHeaders;
  readonly rawTrailers: RawHeaders;
  readonly body: 'captured' | 'over-limit';
  /** Asked only where it was captured. */
  readonly bytes: () => Uint8Array;
};

/** How the claim ends; a status of HTTP other than 200 is not the backend's but that of a hop before it. */
export function settleGrpc(
  end: ExchangeEnd,
  answer: GrpcAnswer,
  grpc: GrpcPolicy,
  policy: Pick<RoutePolicy, 'status' | 'unprovenEnd'>,
): Settlement {
  if (end.kind !== 'complete' || end.status !== 200) return settle(end, answer.body, policy);
  const status = grpcStatus(answer.rawHeaders, answer.rawTrailers);
  if (status === null) return { kind: 'park', reason: 'unproven-end' };
  const action = grpc.actions[status] ?? 'complete';
  if (action === 'release') return { kind: 'release' };
  if (action === 'park') return { kind: 'park', reason: 'status' };
  if (answer.body === 'over-limit') return { kind: 'complete', keep: 'unstored' };
  // A success has one message, whole; without it there is nothing that could be said again.
  if (status === 0 && messagesIn(answer.bytes()) !== 1) return { kind: 'park', reason: 'unproven-end' };
  return { kind: 'complete', keep: 'full' };
}

/** Fields that frame or route a message, or are only true of a head (RFC 9110 section 6.5.1). */
const NO_TRAILERS: ReadonlySet<string> = new Set([
  'authorization',
  'cache-control',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'host',
  'keep-alive',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** What becomes of trailers: a hop may drop them (RFC 9110 section 6.5.1), and but for gRPC this one does. */
export function trailersOn({ dialect }: Pick<RoutePolicy, 'dialect'>): 'kept' | 'dropped' {
  return dialect === null || dialect.grpc === null ? 'dropped' : 'kept';
}

/** The trailer fields that are passed on, stored and replayed. */
export function endToEndTrailers(rawTrailers: RawHeaders): RawHeaders {
  const kept: string[] = [];
  for (let i = 0; i < rawTrailers.length; i += 2) {
    const name = (rawTrailers[i] ?? '').toLowerCase();
    if (!name.startsWith(':') && !NO_TRAILERS.has(name)) kept.push(name, rawTrailers[i + 1] ?? '');
  }
  return kept;
}
