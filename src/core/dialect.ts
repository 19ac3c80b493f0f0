import type { GrpcPolicy } from './grpc.ts';
import type { JsonRpcPolicy } from './json-rpc.ts';
import { isField, type RawHeaders } from './wire.ts';

/** What a vendor's API says of idempotency, where no ordinary field of a policy can say it. Plain data. */

/** In whose words a refusal is told; `problem` is RFC 9457. */
export const ERROR_SHAPES = [
  'problem',
  'stripe',
  'acp',
  'azure',
  'paypal',
  'adyen',
  'checkout',
  'square',
  'google',
  'aws',
  'json-rpc',
  'grpc',
] as const;
export type ErrorShape = (typeof ERROR_SHAPES)[number];

/** The problems that speak of a key: the ones for which APIs have agreed on no status. */
export const KEY_PROBLEMS = [
  'key-missing',
  'key-invalid',
  'scope-missing',
  'key-reused',
  'in-flight',
  'released',
  'outcome-unknown',
  'response-not-stored',
  'response-unreadable',
  'policy-changed',
  'credential-rotated',
  'replay-denied',
  'store-unavailable',
] as const;

/** OASIS Repeatable Requests 1.0. */
export type RepeatabilityPolicy =
  /** `windowMs` and `aheadMs`: how far before and after now First-Sent may be. */
  | { readonly kind: 'window'; readonly windowMs: number; readonly aheadMs: number }
  /** Requests that ask for it are refused: nothing here would keep the promise. */
  | { readonly kind: 'unsupported' };

export type DialectPolicy = {
  readonly errors: ErrorShape;
  /** In place of the status of the table of problems. */
  readonly statuses: Readonly<Partial<Record<string, number>>>;
  /** The field in which an answer repeats the key, in lower case; null: none does. */
  readonly echoKey: string | null;
  readonly repeatability: RepeatabilityPolicy | null;
  readonly jsonRpc: JsonRpcPolicy | null;
  readonly grpc: GrpcPolicy | null;
};

/** `Repeatability-Result`: whether this request was taken for an execution; null: nothing can truly be said. */
export type RepeatabilityResult = 'accepted' | 'rejected' | null;

const RESULT = 'repeatability-result';

/** The field lines that a dialect adds to an answer to a keyed request. */
export function dialectFields(
  { echoKey, repeatability }: DialectPolicy,
  key: string | null,
  result: RepeatabilityResult,
): readonly string[] {
  const lines: string[] = [];
  // A key has visible or printable ASCII characters alone, so that it cannot end a line.
  if (echoKey !== null && key !== null) lines.push(echoKey, key);
  if (repeatability !== null && result !== null) lines.push('Repeatability-Result', result);
  return lines;
}

/** An answer of the backend with those lines; its own of the same names would speak of an attempt, not of the key. */
export function withDialectFields(
  rawHeaders: RawHeaders,
  dialect: DialectPolicy | null,
  key: string | null,
  result: RepeatabilityResult,
): RawHeaders {
  if (dialect === null || (dialect.echoKey === null && dialect.repeatability === null)) return rawHeaders;
  const { echoKey, repeatability } = dialect;
  const out: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (echoKey !== null && isField(name, echoKey)) continue;
    if (repeatability !== null && isField(name, RESULT)) continue;
    out.push(name, rawHeaders[i + 1] ?? '');
  }
  out.push(...dialectFields(dialect, key, result));
  return out;
}
