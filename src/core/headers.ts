import type { RoutePolicy } from './policy.ts';
import type { StoredResponse } from './record.ts';
import { isField, type RawHeaders } from './wire.ts';

/** What goes on and what stays behind when a message crosses the proxy (RFC 9110 section 7.6.1). */

const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const NEVER_INFORMATIONAL: ReadonlySet<string> = new Set([
  'content-length',
  'idempotency-status',
  'idempotent-replayed',
]);

const REQUEST_DROPPED: ReadonlySet<string> = new Set([
  ...HOP_BY_HOP,
  'proxy-authorization',
  'proxy-authenticate',
  'http2-settings',
  // Answered here (RFC 9110 section 10.1.1): the body is in our hands before the request goes on.
  'expect',
]);

/** And every `X-Forwarded-*`. */
const FORWARDING: ReadonlySet<string> = new Set(['forwarded', 'x-real-ip']);

/** Lower-case names that `Connection` nominates, or null when there are none beyond keep-alive and close. */
export function nominatedFields(rawHeaders: RawHeaders): ReadonlySet<string> | null {
  let names: Set<string> | null = null;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (!isField(rawHeaders[i] ?? '', 'connection')) continue;
    for (const part of (rawHeaders[i + 1] ?? '').split(',')) {
      const token = part.trim().toLowerCase();
      if (token === '' || token === 'keep-alive' || token === 'close') continue;
      names ??= new Set();
      names.add(token);
    }
  }
  return names;
}

export type ForwardFacts = {
  readonly peerAddress: string;
  readonly protocol: 'http' | 'https';
  readonly host: string;
  /** The peer is in `trustedProxies`: its forwarding fields are believed and extended. */
  readonly forwarding: 'trusted' | 'untrusted';
  /** Host to send upstream, or null to keep the client's. */
  readonly upstreamHost: string | null;
  readonly httpVersion: string;
  /** Set for an execution under a claim. */
  readonly execution: {
    readonly token: number;
    readonly attempt: number;
    readonly acceptEncoding: 'identity' | 'keep';
  } | null;
  /** asked: of the backend, on a route of gRPC. */
  readonly trailers?: 'asked';
};

/** The field lines of the request that goes upstream: order, repetition and case of what stays are kept. */
export function forwardRequestHeaders(rawHeaders: RawHeaders, facts: ForwardFacts): string[] {
  const nominated = nominatedFields(rawHeaders);
  const out: string[] = [];
  let via = '';
  let forwardedFor = '';
  let forwardedHost = '';
  let forwardedProto = '';
  const identity = facts.execution?.acceptEncoding === 'identity';
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    const value = rawHeaders[i + 1] ?? '';
    const lower = name.toLowerCase();
    if (REQUEST_DROPPED.has(lower) || nominated?.has(lower) === true) continue;
    if (lower === 'host') {
      if (facts.upstreamHost === null) out.push(name, value);
      continue;
    }
    if (lower === 'via') {
      via = via === '' ? value : `${via}, ${value}`;
      continue;
    }
    if (lower.startsWith('onceward-')) continue;
    if (identity && lower === 'accept-encoding') continue;
    // Of the messages inside a body that will be replayed.
    if (identity && facts.trailers === 'asked' && lower === 'grpc-accept-encoding') continue;
    if (FORWARDING.has(lower) || lower.startsWith('x-forwarded-')) {
      if (facts.forwarding === 'untrusted') continue;
      if (lower === 'x-forwarded-for') {
        forwardedFor = forwardedFor === '' ? value : `${forwardedFor}, ${value}`;
        continue;
      }
      if (lower === 'x-forwarded-host') forwardedHost = value;
      if (lower === 'x-forwarded-proto') forwardedProto = value;
    }
    out.push(name, value);
  }
  if (facts.upstreamHost !== null) out.push('Host', facts.upstreamHost);
  if (identity) out.push('Accept-Encoding', 'identity');
  if (facts.trailers === 'asked') out.push('TE', 'trailers');
  out.push('Via', via === '' ? `${facts.httpVersion} onceward` : `${via}, ${facts.httpVersion} onceward`);
  out.push(
    'X-Forwarded-For',
    forwardedFor === '' ? facts.peerAddress : `${forwardedFor}, ${facts.peerAddress}`,
  );
  if (forwardedHost === '' && facts.host !== '') out.push('X-Forwarded-Host', facts.host);
  if (forwardedProto === '') out.push('X-Forwarded-Proto', facts.protocol);
  if (facts.execution !== null) {
    out.push(
      'Onceward-Attempt',
      String(facts.execution.attempt),
      'Onceward-Fencing-Token',
      String(facts.execution.token),
    );
  }
  return out;
}

/** The field lines of the same request with a body of known length in place of the framing it came in. */
export function withContentLength(headers: string[], bodyBytes: number): string[] {
  for (let i = 0; i < headers.length; i += 2) {
    if ((headers[i] ?? '').toLowerCase() === 'content-length') {
      headers[i + 1] = String(bodyBytes);
      return headers;
    }
  }
  headers.push('Content-Length', String(bodyBytes));
  return headers;
}

/**
 * The end-to-end field lines of an upstream response: hop-by-hop ones dropped, the backend's own status words
 * renamed so that they are never taken for ours, `Date` added where it is missing (RFC 9110 section 6.6.1).
 */
export function endToEndResponseHeaders(rawHeaders: RawHeaders, nowMs: number): string[] {
  const nominated = nominatedFields(rawHeaders);
  const out: string[] = [];
  let date: 'missing' | 'present' = 'missing';
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || nominated?.has(lower) === true) continue;
    if (lower === 'date') date = 'present';
    if (lower === 'idempotency-status' || lower === 'idempotent-replayed') {
      out.push(`Onceward-Upstream-${name}`, rawHeaders[i + 1] ?? '');
      continue;
    }
    out.push(name, rawHeaders[i + 1] ?? '');
  }
  if (date === 'missing') out.push('Date', httpDate(nowMs));
  return out;
}

/** Of an informational response: it has no content, and speaks of no outcome (RFC 9110 section 15.2). */
export function informationalHeaders(rawHeaders: RawHeaders): string[] {
  const nominated = nominatedFields(rawHeaders);
  const out: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || nominated?.has(lower) === true || NEVER_INFORMATIONAL.has(lower)) continue;
    out.push(name, rawHeaders[i + 1] ?? '');
  }
  return out;
}

let dateSecond = -1;
let dateText = '';
/** IMF-fixdate (RFC 9110 section 5.6.7), made anew once a second. */
function httpDate(nowMs: number): string {
  const second = Math.floor(nowMs / 1000);
  // Stryker disable next-line ConditionalExpression: it only saves making the text again
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(second * 1000).toUTCString();
  }
  return dateText;
}

export type KeyedStatus = 'executed' | 'replayed' | 'joined' | 'unstored';

const EXPOSED = 'Idempotency-Status, Idempotent-Replayed';

/** Marks an answer of the backend to a keyed request; merges the CORS field where the backend speaks CORS. */
export function markKeyed(headers: RawHeaders, status: KeyedStatus): string[] {
  const out: string[] = [];
  let cors: 'none' | 'open' | 'exposed' = 'none';
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? '';
    let value = headers[i + 1] ?? '';
    // Stryker disable next-line ConditionalExpression,EqualityOperator: the length only saves a copy in lower case
    if (name.length > 20) {
      const lower = name.toLowerCase();
      if (lower === 'access-control-expose-headers') {
        if (cors !== 'exposed') value = value.trim() === '' ? EXPOSED : `${value}, ${EXPOSED}`;
        cors = 'exposed';
      } else if (lower === 'access-control-allow-origin' && cors === 'none') {
        cors = 'open';
      }
    }
    out.push(name, value);
  }
  if (cors === 'open') out.push('Access-Control-Expose-Headers', EXPOSED);
  out.push('Idempotency-Status', status);
  if (status === 'replayed' || status === 'joined') out.push('Idempotent-Replayed', 'true');
  return out;
}

/**
 * The field lines of a stored response as a repeat gets them: withheld ones left out, `Age` brought up to date
 * (RFC 9111 section 5.1), a length where the first answer was chunked.
 */
export function replayHeaders(
  response: Extract<StoredResponse, { kind: 'full' }>,
  policy: Pick<RoutePolicy, 'replay'>,
  status: 'replayed' | 'joined',
  nowMs: number,
): string[] {
  const kept: string[] = [];
  let ageSeconds = Math.max(0, Math.floor((nowMs - response.receivedAtMs) / 1000));
  let length: 'missing' | 'present' = 'missing';
  const { withheldHeaders, setCookie } = policy.replay;
  for (let i = 0; i < response.rawHeaders.length; i += 2) {
    const name = response.rawHeaders[i] ?? '';
    const value = response.rawHeaders[i + 1] ?? '';
    const lower = name.toLowerCase();
    if (lower === 'set-cookie' && setCookie === 'withhold') continue;
    if (withheldHeaders.includes(lower)) continue;
    if (lower === 'age') {
      const seconds = Number.parseInt(value, 10);
      if (seconds > 0) ageSeconds += seconds;
      continue;
    }
    if (lower === 'content-length') length = 'present';
    kept.push(name, value);
  }
  if (length === 'missing' && mayHaveBody(response.status))
    kept.push('Content-Length', String(response.body.length));
  kept.push('Age', String(ageSeconds));
  return markKeyed(kept, status);
}

/** RFC 9110 section 6.4.1. */
export function mayHaveBody(status: number): boolean {
  return status >= 200 && status !== 204 && status !== 304;
}

/** `Retry-After` of a response in milliseconds (RFC 9110 section 10.2.3), or null. */
export function retryAfterMs(value: string | undefined, nowMs: number): number | null {
  if (value === undefined) return null;
  const text = value.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : Math.max(0, at - nowMs);
}
