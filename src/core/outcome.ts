/** The one word a request ends with: the label of the metric, the field of the log line. */
export const OUTCOMES = [
  'bypassed',
  'executed',
  'replayed',
  'joined',
  'accepted',
  'unstored',
  'unreadable',
  'released',
  'parked',
  'unknown',
  'in_flight',
  'locked',
  'mismatch',
  'stale',
  'rejected',
  'overloaded',
  'store_unavailable',
  'upstream_unreachable',
  'answered',
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** What a method and its policy make of a request (RFC 9110 section 9.2). */
export const REQUEST_CLASSES = ['safe', 'idempotent', 'unsafe'] as const;
export type RequestClass = (typeof REQUEST_CLASSES)[number];
