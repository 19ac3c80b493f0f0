import type { RoutePolicy } from './policy.ts';
import type { ClaimResult, PlainResponse, SealedResponse, StoredResponse } from './record.ts';
import { unreachable } from './unreachable.ts';

type FullResponse = Extract<StoredResponse, { kind: 'full' }>;

/** What to do with a keyed request after the store has answered the claim. */
export type Decision =
  | { readonly kind: 'execute'; readonly token: number; readonly attempt: number }
  | { readonly kind: 'replay'; readonly token: number; readonly response: FullResponse }
  /** The response has to be opened first; what then follows is `decideOpened`. */
  | { readonly kind: 'unseal'; readonly token: number; readonly response: SealedResponse }
  | { readonly kind: 'join'; readonly token: number; readonly waitMs: number; readonly waitersMax: number }
  /** `onUnknown: retry`, and the exchange has been quiet long enough: re-open the key, then claim again. */
  | { readonly kind: 'reopen'; readonly token: number }
  /** `reconcile`: ask the backend what became of it, then decide again without. */
  | { readonly kind: 'probe' }
  | { readonly kind: 'in-flight' }
  | { readonly kind: 'mismatch' }
  | { readonly kind: 'policy-changed' }
  | { readonly kind: 'outcome-unknown' }
  | { readonly kind: 'response-not-stored' };

/** The order is the promise: policy before fingerprint, mismatch (422) before in-flight (409) before all else. */
export function decide(
  result: ClaimResult,
  fingerprint: string,
  policy: Pick<RoutePolicy, 'fingerprint' | 'inFlight' | 'onUnknown' | 'quietMs' | 'reconcile'>,
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
      return decideCompleted(result.token, result.response);
    case 'unknown':
      if (policy.reconcile !== null) return { kind: 'probe' };
      // Before the quiet time is over a backend may still be at work on the first request.
      return policy.onUnknown === 'retry' && result.unknownForMs >= policy.quietMs
        ? { kind: 'reopen', token: result.token }
        : { kind: 'outcome-unknown' };
    default:
      return unreachable(result);
  }
}

function decideCompleted(token: number, response: StoredResponse): Decision {
  switch (response.kind) {
    case 'full':
      return { kind: 'replay', token, response };
    case 'sealed':
      return { kind: 'unseal', token, response };
    case 'unstored':
      return { kind: 'response-not-stored' };
    default:
      return unreachable(response);
  }
}

/** `unreadable`: it is there and does not open. The key stays completed: absent it is not (fault 54). */
export type OpenedResponse = PlainResponse | { readonly kind: 'unreadable' };

export type OpenedDecision =
  | { readonly kind: 'replay'; readonly response: FullResponse }
  | { readonly kind: 'response-not-stored' }
  | { readonly kind: 'response-unreadable' };

/** Nothing here executes: whatever opening a response may bring, the request was executed. */
export function decideOpened(opened: OpenedResponse): OpenedDecision {
  switch (opened.kind) {
    case 'full':
      return { kind: 'replay', response: opened };
    case 'unstored':
      return { kind: 'response-not-stored' };
    case 'unreadable':
      return { kind: 'response-unreadable' };
    default:
      return unreachable(opened);
  }
}
