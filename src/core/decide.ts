import type { RoutePolicy } from './policy.ts';
import type { ClaimResult, StoredResponse } from './record.ts';
import { unreachable } from './unreachable.ts';

/** What to do with a keyed request after the store has answered the claim. */
export type Decision =
  | { readonly kind: 'execute'; readonly token: number; readonly attempt: number }
  | { readonly kind: 'replay'; readonly response: Extract<StoredResponse, { kind: 'full' }> }
  | { readonly kind: 'join'; readonly token: number; readonly waitMs: number; readonly waitersMax: number }
  /** `onUnknown: retry`, and the exchange has been quiet long enough: re-open the key, then claim again. */
  | { readonly kind: 'reopen'; readonly token: number }
  | { readonly kind: 'in-flight' }
  | { readonly kind: 'mismatch' }
  | { readonly kind: 'policy-changed' }
  | { readonly kind: 'outcome-unknown' }
  | { readonly kind: 'response-not-stored' };

/** The order is the promise: policy before fingerprint, mismatch (422) before in-flight (409) before all else. */
export function decide(
  result: ClaimResult,
  fingerprint: string,
  policy: Pick<RoutePolicy, 'fingerprint' | 'inFlight' | 'onUnknown' | 'quietMs'>,
): Decision {
  if (result.kind === 'claimed') return { kind: 'execute', token: result.token, attempt: result.attempt };
  // Under another policy the digests cannot be compared: a false 422 would blame the client for our change.
  if (result.policyId !== policy.fingerprint.id) return { kind: 'policy-changed' };
  if (result.fingerprint !== fingerprint) return { kind: 'mismatch' };
  switch (result.kind) {
    case 'inFlight': {
      const { inFlight } = policy;
      switch (inFlight.kind) {
        case 'join':
          return {
            kind: 'join',
            token: result.token,
            waitMs: inFlight.waitMs,
            waitersMax: inFlight.waitersMax,
          };
        case 'reject':
          return { kind: 'in-flight' };
        default:
          return unreachable(inFlight);
      }
    }
    case 'completed':
      return result.response.kind === 'full'
        ? { kind: 'replay', response: result.response }
        : { kind: 'response-not-stored' };
    case 'unknown':
      // Before the quiet time is over a backend may still be at work on the first request.
      return policy.onUnknown === 'retry' && result.unknownForMs >= policy.quietMs
        ? { kind: 'reopen', token: result.token }
        : { kind: 'outcome-unknown' };
    default:
      return unreachable(result);
  }
}
