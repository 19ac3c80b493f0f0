import { hash } from 'node:crypto';
import { isForm, readForm } from './form.ts';
import type { SignatureVerdict } from './signature.ts';
import { anyMatches, single } from './signature-parts.ts';
import { firstValue, type RequestHead } from './wire.ts';

/**
 * Twilio signs the URL as configured there, followed by the form's names and values, sorted by name; of any other body
 * its digest is in the query, as `bodySHA256`.
 */
export function twilioVerdict(
  secrets: readonly string[],
  origin: string,
  head: RequestHead,
  body: Uint8Array,
): SignatureVerdict {
  const signature = single(head.rawHeaders, 'x-twilio-signature');
  if (signature.kind !== 'value') return signature.kind;
  const settings = single(head.rawHeaders, 'x-twilio-webhooks-signature-settings');
  if (settings.kind === 'malformed') return 'malformed';
  const algorithm =
    settings.kind === 'value' && /(?:^|,)\s*algorithm=HMAC_SHA256(?:,|$)/.test(settings.value)
      ? 'sha256'
      : 'sha1';
  const signed = signedBody(head, body);
  if (signed === null) return 'malformed';
  const candidates = [Buffer.from(signature.value, 'base64')];
  // Some of its products sign the URL with its port and some without.
  for (const url of urlsOf(origin, head.target)) {
    const content = [Buffer.from(url + signed)];
    if (anyMatches(algorithm, secrets, content, candidates) === 'genuine') return 'genuine';
  }
  return 'mismatch';
}

/** What follows the URL; null where the body is not what the signature stands for. */
function signedBody(head: RequestHead, body: Uint8Array): string | null {
  if (isForm(firstValue(head.rawHeaders, 'content-type'))) {
    const pairs = readForm(body);
    return pairs === null ? null : sortedPairs(pairs);
  }
  if (body.byteLength === 0) return '';
  const digest = /[?&]bodySHA256=([0-9A-Fa-f]{64})(?:&|$)/.exec(head.target)?.[1];
  return digest?.toLowerCase() === hash('sha256', body, 'hex') ? '' : null;
}

/** By code unit, as every one of its libraries sorts; of a repeated name the different values, sorted. */
function sortedPairs(pairs: readonly (readonly [string, string])[]): string {
  const values = new Map<string, Set<string>>();
  for (const [name, value] of pairs) {
    const known = values.get(name);
    if (known === undefined) values.set(name, new Set([value]));
    else known.add(value);
  }
  return [...values.keys()]
    .sort()
    .flatMap((name) => [...(values.get(name) ?? [])].sort().map((value) => name + value))
    .join('');
}

function urlsOf(origin: string, target: string): readonly string[] {
  const port = /:\d+$/.exec(origin)?.[0];
  const without = port === undefined ? origin : origin.slice(0, -port.length);
  const byDefault = origin.startsWith('https:') ? ':443' : ':80';
  return [`${without}${port ?? byDefault}${target}`, `${without}${target}`];
}
