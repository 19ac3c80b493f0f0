import { type BodyKey, readBodyKey } from './key.ts';
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
