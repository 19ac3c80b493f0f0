import type { MessagePolicy } from '../core/policy.ts';
import { signatureVerdict } from '../core/signature.ts';
import type { RequestContext } from './types.ts';

/** The sender learns that its delivery was not taken, and the metrics why. */
export function verifyDelivery(
  { engine, policy, head }: RequestContext,
  { signature }: MessagePolicy,
  body: Uint8Array,
): 'taken' | 'forged' {
  if (signature === null) return 'taken';
  const verdict = signatureVerdict(signature, head, body, engine.wallMs());
  engine.metrics.signature(policy.name, verdict);
  return verdict === 'genuine' ? 'taken' : 'forged';
}
