import type { RawHeaders } from './wire.ts';

/** HMAC over keyspace, scope and key: 43 characters of base64url. The only form that is stored or logged. */
export type RecordKey = string;

/** A fresh random 128-bit value for every claim, 32 hexadecimal digits. */
export type Owner = string;

/** A response as it is read. */
export type PlainResponse =
  | {
      readonly kind: 'full';
      readonly status: number;
      readonly rawHeaders: RawHeaders;
      readonly body: Uint8Array;
      /** Of a call of gRPC alone. */
      readonly rawTrailers?: RawHeaders;
      /** Wall time at which the head was received, for `Age` (RFC 9111 section 5.1). */
      readonly receivedAtMs: number;
    }
  /** Executed, but the body was over the limit: a repeat learns that, and never executes again. */
  | { readonly kind: 'unstored'; readonly status: number; readonly receivedAtMs: number };

/** A full response, encrypted (src/store/seal.ts): to a store, bytes that say nothing. */
export type SealedResponse = { readonly kind: 'sealed'; readonly bytes: Uint8Array };

export type StoredResponse = PlainResponse | SealedResponse;

/** Of `ClaimRequest.note`. */
export const NOTE_BYTES_MAX = 4096;

export type ClaimRequest = {
  readonly owner: Owner;
  readonly fingerprint: string;
  readonly policyId: string;
  readonly leaseMs: number;
  readonly retainMs: number;
  /** Life of a claimed, dispatched or unknown record from its last write; never below retainMs. */
  readonly unknownRetainMs: number;
  /** The state in which a granted claim is written: `dispatched` makes claim and dispatch one write. */
  readonly state: 'claimed' | 'dispatched';
  /**
   * What a probe will need if nobody learns the outcome, opaque to the store: kept beside the record until it is
   * completed or released. At most NOTE_BYTES_MAX, never empty.
   */
  readonly note: Uint8Array | null;
};

/** What the holder of a claim shows at every later write. */
export type Claim = {
  readonly recordKey: RecordKey;
  readonly owner: Owner;
  readonly token: number;
};

export type ClaimResult =
  /**
   * `token` is a safe integer: max(last + 1, store time in µs). `attempt` counts the grants of this key that the
   * store still knows of, from 1; a release or a lapse raises it, the same owner's resent claim does not.
   */
  | { readonly kind: 'claimed'; readonly token: number; readonly attempt: number }
  | {
      readonly kind: 'inFlight';
      readonly fingerprint: string;
      readonly policyId: string;
      readonly token: number;
      readonly leaseLeftMs: number;
    }
  | {
      readonly kind: 'completed';
      readonly fingerprint: string;
      readonly policyId: string;
      readonly token: number;
      readonly response: StoredResponse;
    }
  | {
      readonly kind: 'unknown';
      readonly fingerprint: string;
      readonly policyId: string;
      readonly token: number;
      readonly reason: string;
      /** Since the park, or since the lease ran out, by the store's clock. */
      readonly unknownForMs: number;
    };

/** `lost`: the record is no longer this claim's (another token, another owner, or gone). */
export type WriteResult = 'ok' | 'lost';

export type RecordState = 'claimed' | 'dispatched' | 'completed' | 'unknown' | 'released';

/** A record as the store holds it; a lapsed dispatched claim reads as `unknown`, an expired record as absent. */
export type RecordView = {
  readonly recordKey: RecordKey;
  readonly state: RecordState;
  readonly token: number;
  readonly fingerprint: string;
  readonly policyId: string;
  /** For claimed and dispatched: what is left of the lease, 0 when it ran out. */
  readonly leaseLeftMs: number;
  /** Until the record is removed. */
  readonly expiresInMs: number;
  /** For unknown: why and for how long. Else empty and 0. */
  readonly reason: string;
  readonly unknownForMs: number;
  /** For released: what the leader's answer said of when to retry, or null. */
  readonly retryAfterMs: number | null;
  /** For claimed, dispatched and unknown: what came with the claim. Else null. */
  readonly note: Uint8Array | null;
  /** For completed; null in listings. */
  readonly response: StoredResponse | null;
};
