import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { anyMatches, CANDIDATES_MAX, type SignedContent, single } from './signature-parts.ts';
import { snsVerdict } from './signature-sns.ts';
import { twilioVerdict } from './signature-twilio.ts';
import { unreachable } from './unreachable.ts';
import type { RawHeaders, RequestHead } from './wire.ts';

/** Whether a delivery comes from its sender. Judged before the claim, so that a forged one cannot burn an id. */

export type SignaturePolicy =
  | {
      readonly scheme: 'standard-webhooks' | 'github' | 'stripe' | 'slack';
      /** Any of them may have signed: the old one and the new one while they are changed. */
      readonly secrets: readonly string[];
      readonly toleranceMs: number;
    }
  | {
      readonly scheme: 'twilio';
      readonly secrets: readonly string[];
      /** Scheme and host as the sender knows them. */
      readonly origin: string;
    }
  | {
      readonly scheme: 'sns';
      /** PEM. Whoever has an AWS account can have a topic signed with them, so `topics` says which count. */
      readonly certificates: readonly string[];
      readonly topics: readonly string[];
    };

export const SIGNATURE_VERDICTS = ['genuine', 'missing', 'malformed', 'expired', 'mismatch'] as const;
/** All but the first are one answer to the sender: which of them it was helps only whoever forges. */
export type SignatureVerdict = (typeof SIGNATURE_VERDICTS)[number];

export function signatureVerdict(
  policy: SignaturePolicy,
  head: RequestHead,
  body: Uint8Array,
  nowMs: number,
): SignatureVerdict {
  switch (policy.scheme) {
    case 'standard-webhooks':
      return standardVerdict(policy.secrets, policy.toleranceMs, head.rawHeaders, body, nowMs);
    case 'github':
      return githubVerdict(policy.secrets, head.rawHeaders, body);
    case 'stripe':
      return stripeVerdict(policy.secrets, policy.toleranceMs, head.rawHeaders, body, nowMs);
    case 'slack':
      return slackVerdict(policy.secrets, policy.toleranceMs, head.rawHeaders, body, nowMs);
    case 'twilio':
      return twilioVerdict(policy.secrets, policy.origin, head, body);
    case 'sns':
      return snsVerdict(policy.certificates, policy.topics, body);
    default:
      return unreachable(policy);
  }
}

/** The fields of the head that a scheme signs or signs with, in lower case. */
export function signatureFields({ scheme }: SignaturePolicy): readonly string[] {
  switch (scheme) {
    case 'standard-webhooks':
      return ['webhook-id', 'webhook-timestamp', 'webhook-signature'];
    case 'github':
      return ['x-hub-signature-256'];
    case 'stripe':
      return ['stripe-signature'];
    case 'slack':
      return ['x-slack-request-timestamp', 'x-slack-signature'];
    case 'twilio':
      return ['x-twilio-signature', 'x-twilio-webhooks-signature-settings'];
    case 'sns':
      return [];
    default:
      return unreachable(scheme);
  }
}

/** Both ways: a clock that is ahead is as wrong as a delivery from the past. Null: no time at all. */
function timely(seconds: string, toleranceMs: number, nowMs: number): 'timely' | 'expired' | null {
  if (!/^\d{1,12}$/.test(seconds)) return null;
  return Math.abs(nowMs - Number(seconds) * 1000) <= toleranceMs ? 'timely' : 'expired';
}

/** Standard Webhooks, "Signature scheme": `v1` is HMAC-SHA-256, `v1a` Ed25519. */
function standardVerdict(
  secrets: readonly string[],
  toleranceMs: number,
  rawHeaders: RawHeaders,
  body: Uint8Array,
  nowMs: number,
): SignatureVerdict {
  const id = single(rawHeaders, 'webhook-id');
  const timestamp = single(rawHeaders, 'webhook-timestamp');
  const signature = single(rawHeaders, 'webhook-signature');
  if (id.kind !== 'value') return id.kind;
  if (timestamp.kind !== 'value') return timestamp.kind;
  if (signature.kind !== 'value') return signature.kind;
  const when = timely(timestamp.value, toleranceMs, nowMs);
  if (when !== 'timely') return when ?? 'malformed';
  const content: SignedContent = [`${id.value}.${timestamp.value}.`, body];
  const listed = signature.value.split(' ', CANDIDATES_MAX);
  const versioned = (version: string): readonly Buffer[] =>
    listed.flatMap((one) =>
      one.startsWith(`${version},`) ? [Buffer.from(one.slice(version.length + 1), 'base64')] : [],
    );
  const symmetric = secrets.filter((secret) => !secret.startsWith(PUBLIC_PREFIX)).map(webhookKey);
  if (anyMatches('sha256', symmetric, content, versioned('v1')) === 'genuine') return 'genuine';
  const whole = Buffer.concat([Buffer.from(`${id.value}.${timestamp.value}.`, 'latin1'), body]);
  for (const secret of secrets) {
    if (!secret.startsWith(PUBLIC_PREFIX)) continue;
    const key = publicKeyOf(secret);
    if (versioned('v1a').some((one) => verify(null, whole, key, one))) return 'genuine';
  }
  return 'mismatch';
}

export const SECRET_PREFIX = 'whsec_';
export const PUBLIC_PREFIX = 'whpk_';

/** The bytes of a secret of Standard Webhooks, which is Base64 after its prefix. */
export function webhookKey(secret: string): Buffer {
  return Buffer.from(
    secret.startsWith(SECRET_PREFIX) ? secret.slice(SECRET_PREFIX.length) : secret,
    'base64',
  );
}

const PUBLIC_KEYS = new Map<string, KeyObject>();

/** Worked out once for each key of the configuration, which has a handful. */
function publicKeyOf(secret: string): KeyObject {
  const known = PUBLIC_KEYS.get(secret);
  if (known !== undefined) return known;
  const x = Buffer.from(secret.slice(PUBLIC_PREFIX.length), 'base64').toString('base64url');
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  PUBLIC_KEYS.set(secret, key);
  return key;
}

function githubVerdict(
  secrets: readonly string[],
  rawHeaders: RawHeaders,
  body: Uint8Array,
): SignatureVerdict {
  const signature = single(rawHeaders, 'x-hub-signature-256');
  if (signature.kind !== 'value') return signature.kind;
  if (!signature.value.startsWith('sha256=')) return 'malformed';
  return anyMatches('sha256', secrets, [body], [Buffer.from(signature.value.slice(7), 'hex')]);
}

/** `t=…,v1=…`, with a `v1` for each secret while they are changed. Other schemes in it do not count. */
function stripeVerdict(
  secrets: readonly string[],
  toleranceMs: number,
  rawHeaders: RawHeaders,
  body: Uint8Array,
  nowMs: number,
): SignatureVerdict {
  const signature = single(rawHeaders, 'stripe-signature');
  if (signature.kind !== 'value') return signature.kind;
  const items = signature.value.split(',', CANDIDATES_MAX * 2);
  const valuesOf = (name: string): readonly string[] =>
    items.flatMap((item) => (item.startsWith(`${name}=`) ? [item.slice(name.length + 1)] : []));
  const [timestamp, ...more] = valuesOf('t');
  if (timestamp === undefined || more.length > 0) return 'malformed';
  const when = timely(timestamp, toleranceMs, nowMs);
  if (when !== 'timely') return when ?? 'malformed';
  const candidates = valuesOf('v1').map((one) => Buffer.from(one, 'hex'));
  return anyMatches('sha256', secrets, [`${timestamp}.`, body], candidates);
}

function slackVerdict(
  secrets: readonly string[],
  toleranceMs: number,
  rawHeaders: RawHeaders,
  body: Uint8Array,
  nowMs: number,
): SignatureVerdict {
  const timestamp = single(rawHeaders, 'x-slack-request-timestamp');
  const signature = single(rawHeaders, 'x-slack-signature');
  if (timestamp.kind !== 'value') return timestamp.kind;
  if (signature.kind !== 'value') return signature.kind;
  const when = timely(timestamp.value, toleranceMs, nowMs);
  if (when !== 'timely') return when ?? 'malformed';
  if (!signature.value.startsWith('v0=')) return 'malformed';
  return anyMatches(
    'sha256',
    secrets,
    [`v0:${timestamp.value}:`, body],
    [Buffer.from(signature.value.slice(3), 'hex')],
  );
}
