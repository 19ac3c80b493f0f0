import type { RepeatabilityPolicy } from './dialect.ts';
import { unreachable } from './unreachable.ts';
import { allValues, type RequestHead } from './wire.ts';

/** OASIS Repeatable Requests 1.0: what the two fields of a request come to. */

export type Repeatability =
  /** The request does not ask for it. */
  | { readonly kind: 'not-asked' }
  | { readonly kind: 'fits' }
  | {
      readonly kind: 'refused';
      readonly code: 'repeatability-invalid' | 'repeatability-window' | 'repeatability-unsupported';
      readonly detail: string;
    };

const ID = 'repeatability-request-id';
const FIRST_SENT = 'repeatability-first-sent';

/**
 * Judged before anything is looked up: a key that was forgotten looks like a new one, and only the date tells that it
 * is old. `keyed`: whether the route makes a record for a request of this method.
 */
export function readRepeatability(
  policy: RepeatabilityPolicy,
  head: RequestHead,
  keyed: 'yes' | 'no',
  nowMs: number,
): Repeatability {
  const ids = allValues(head.rawHeaders, ID);
  const dates = allValues(head.rawHeaders, FIRST_SENT);
  if (ids.length === 0 && dates.length === 0) return { kind: 'not-asked' };
  if (policy.kind === 'unsupported' || keyed === 'no')
    return refused(
      'repeatability-unsupported',
      `${head.method} cannot be repeated safely here, so it was not executed. Send it without Repeatability-Request-ID and Repeatability-First-Sent if once is not asked for.`,
    );
  switch (policy.kind) {
    case 'window':
      return judge(policy, ids, dates, nowMs);
    default:
      return unreachable(policy);
  }
}

function judge(
  { windowMs, aheadMs }: Extract<RepeatabilityPolicy, { kind: 'window' }>,
  ids: readonly string[],
  dates: readonly string[],
  nowMs: number,
): Repeatability {
  const [date] = dates;
  if (ids.length !== 1 || dates.length !== 1 || date === undefined)
    return refused(
      'repeatability-invalid',
      'Repeatability-Request-ID and Repeatability-First-Sent go together, each once; nothing was executed.',
    );
  const sentMs = parseFixdate(date);
  if (sentMs === null)
    return refused(
      'repeatability-invalid',
      'Repeatability-First-Sent must be a date such as "Sun, 06 Nov 1994 08:49:37 GMT" (IMF-fixdate, RFC 9110 section 5.6.7); nothing was executed.',
    );
  if (nowMs - sentMs > windowMs)
    return refused(
      'repeatability-window',
      `Repeatability-First-Sent is more than ${windowMs / 1000} s ago: whether the request was executed then is no longer known here, and this attempt was not. Find out before you send it with a fresh id.`,
    );
  if (sentMs - nowMs > aheadMs)
    return refused(
      'repeatability-window',
      `Repeatability-First-Sent is more than ${aheadMs / 1000} s ahead of the clock here; this attempt was not executed. Set the clock of the client.`,
    );
  return { kind: 'fits' };
}

function refused(code: Extract<Repeatability, { kind: 'refused' }>['code'], detail: string): Repeatability {
  return { kind: 'refused', code, detail };
}

/** RFC 9110 section 5.6.7; the obsolete forms and a wrong day of the week are none. Null: not one. */
export function parseFixdate(text: string): number | null {
  if (!/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)) return null;
  const ms = Date.parse(text);
  // Date.parse takes more than this form has: only what it writes back is the date that was meant.
  return !Number.isNaN(ms) && new Date(ms).toUTCString() === text ? ms : null;
}
