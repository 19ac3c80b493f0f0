/** What is known of who asks besides the fields of the request. */

export type Caller = {
  /** Of the verified client certificate; null: the client gave none. */
  readonly certificate: CallerCertificate | null;
  readonly token: TokenFacts;
};

/** What a verified client certificate says of its holder. */
export type CallerCertificate = {
  /** Of the whole certificate in DER, SHA-256, lower-case hexadecimal without colons. */
  readonly fingerprint: string;
  /** The subject as one line (RFC 4514); the same text for the same names in the same order. */
  readonly subject: string;
  /** As in the certificate: `DNS:api.example.com`, `URI:spiffe://…`, `IP Address:…`. */
  readonly alternativeNames: readonly string[];
};

export type TokenFacts =
  /** Nobody has looked for it yet: most routes never ask. */
  | { readonly kind: 'not-read' }
  | { readonly kind: 'absent' }
  | {
      readonly kind: 'verified';
      readonly issuer: string;
      /** Those that routes name and that are text; no others. */
      readonly claims: ReadonlyMap<string, string>;
    }
  /** `detail` is told to the caller. */
  | { readonly kind: 'refused'; readonly why: TokenFault; readonly detail: string }
  /** What it would be verified with cannot be had: not the caller's fault. */
  | { readonly kind: 'unavailable'; readonly detail: string };

export const TOKEN_FAULTS = [
  'repeated',
  'too-large',
  'malformed',
  'algorithm',
  'critical',
  'issuer',
  'audience',
  'unknown-key',
  'signature',
  'expired',
  'not-yet',
] as const;
export type TokenFault = (typeof TOKEN_FAULTS)[number];

/** cached: verified before, by the same keys, and its time is not over. */
export const TOKEN_RESULTS = ['cached', 'verified', 'absent', ...TOKEN_FAULTS, 'unavailable'] as const;
export type TokenResult = (typeof TOKEN_RESULTS)[number];

const NOT_READ: TokenFacts = { kind: 'not-read' };

/** Nothing but what the fields of the request say. */
export const STRANGER: Caller = { certificate: null, token: NOT_READ };

export function callerOf({ certificate }: { readonly certificate: CallerCertificate | null }): Caller {
  return certificate === null ? STRANGER : { certificate, token: NOT_READ };
}
