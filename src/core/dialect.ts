/** What a vendor's API says of idempotency, where no ordinary field of a policy can say it. Plain data. */

/** In whose words a refusal is told; `problem` is RFC 9457. */
export const ERROR_SHAPES = ['problem', 'stripe'] as const;
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
  'store-unavailable',
] as const;

export type DialectPolicy = {
  readonly errors: ErrorShape;
  /** In place of the status of the table of problems. */
  readonly statuses: Readonly<Partial<Record<string, number>>>;
};
