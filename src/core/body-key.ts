import { type BodyKey, confirmHeadKey, readBodyKey } from './key.ts';
import { readMessageId } from './message.ts';
import type { KeyPolicy } from './policy.ts';
import { firstValue, type RequestHead } from './wire.ts';

/** The key of a request whose head had none: the id of a message, or what the body carries. */
export function findBodyKey(policy: KeyPolicy, head: RequestHead, body: Uint8Array): BodyKey {
  const [source] = policy.sources;
  return source?.kind === 'message'
    ? readMessageId(source, head, body)
    : readBodyKey(policy, body, firstValue(head.rawHeaders, 'content-type'));
}

export type WholeKey =
  | { readonly kind: 'key'; readonly key: string }
  | Exclude<BodyKey, { readonly kind: 'key' }>;

/** The key of a request that has been read: that of its head, unless the body contradicts it; else that of the body. */
export function wholeKey(
  policy: KeyPolicy,
  headKey: string | null,
  head: RequestHead,
  body: Uint8Array,
): WholeKey {
  if (headKey === null) return findBodyKey(policy, head, body);
  const confirmed = confirmHeadKey(policy, headKey, body, firstValue(head.rawHeaders, 'content-type'));
  return confirmed.kind === 'invalid' ? confirmed : { kind: 'key', key: headKey };
}
