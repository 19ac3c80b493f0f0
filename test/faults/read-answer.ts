import type { Answer } from '../support/send-request.ts';

/** What an answer tells a client that follows the members of a problem. */
export type Heard =
  | {
      readonly kind: 'charged';
      readonly word: string;
      readonly executed: '';
      /** The bytes of the answer, and the key that the backend put into them. */
      readonly text: string;
      readonly key: string;
      readonly replayed: 'yes' | 'no';
    }
  | { readonly kind: 'unknown' | 'refused'; readonly word: string; readonly executed: string }
  | {
      readonly kind: 'retry';
      readonly word: string;
      /** The member `executed` of a problem, '' where nothing was said. */
      readonly executed: string;
      readonly waitMs: number;
    };

/** Without the members of a problem: what a client sends again. */
const RETRYABLE: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

export function readAnswer({ status, headers, body }: Answer): Heard {
  const text = body.toString('utf8');
  const members = parse(text);
  if (status >= 200 && status < 300) {
    const replayed = headers['idempotent-replayed'] === 'true' ? 'yes' : 'no';
    return { kind: 'charged', word: String(status), executed: '', text, key: String(members.key), replayed };
  }
  const waitMs = waitOf(members.retryAfterMs, headers['retry-after']);
  if (headers['content-type'] !== 'application/problem+json') {
    const kind = RETRYABLE.has(status) ? 'retry' : 'refused';
    return { kind, word: String(status), executed: '', waitMs };
  }
  const word = String(members.code);
  const executed = String(members.executed ?? '');
  if (members.retryable === true && members.sameKey === true)
    return { kind: 'retry', word, executed, waitMs };
  return { kind: word === 'outcome-unknown' ? 'unknown' : 'refused', word, executed };
}

function waitOf(memberMs: unknown, retryAfter: unknown): number {
  if (typeof memberMs === 'number') return memberMs;
  const seconds = Number(retryAfter);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 50;
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : {};
  } catch {
    return {};
  }
}
