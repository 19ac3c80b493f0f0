import { mayHaveBody } from './headers.ts';
import { isField, type RawHeaders } from './wire.ts';

/**
 * What a head of the backend says of its own message, and whether two parsers would read it alike. What is refused here
 * was answered by someone, and nobody knows what: its request counts as executed with an unknown outcome.
 */

/** Of one head; more is no answer but an attack on memory, ours or the client's. */
export const RESPONSE_FIELDS_MAX = 512;
/** A backend that sends more heads before its answer means no answer. */
export const INFORMATIONAL_MAX = 100;

const LENGTH = /^(?:0|[1-9][0-9]{0,14})$/;

export type ResponseFacts = {
  readonly method: string;
  /** `1.0` knows no chunks: a parser of that version reads them as the body. */
  readonly version: '1.0' | '1.1';
  readonly status: number;
  readonly rawHeaders: RawHeaders;
  /** Informational heads of the same exchange, this one included. */
  readonly informational: number;
};

export type ResponseVerdict =
  | { readonly kind: 'refused'; readonly why: string }
  /** framing, RFC 9112 section 6.3; closed: by the end of the connection, which proves nothing. */
  | { readonly kind: 'taken'; readonly framing: 'none' | 'length' | 'chunked' | 'closed' };

const NONE: ResponseVerdict = { kind: 'taken', framing: 'none' };
const BY_LENGTH: ResponseVerdict = { kind: 'taken', framing: 'length' };
const CHUNKED: ResponseVerdict = { kind: 'taken', framing: 'chunked' };
const CLOSED: ResponseVerdict = { kind: 'taken', framing: 'closed' };

export function judgeResponse(facts: ResponseFacts): ResponseVerdict {
  const { status, rawHeaders } = facts;
  if (!isStatus(status)) return refused(`status ${status}`);
  if (rawHeaders.length > 2 * RESPONSE_FIELDS_MAX) return refused(`more than ${RESPONSE_FIELDS_MAX} fields`);
  if (facts.informational > INFORMATIONAL_MAX) return refused('too many informational heads');
  let length: string | null = null;
  let coding: string | null = null;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    const value = rawHeaders[i + 1] ?? '';
    if (isField(name, 'content-length')) {
      if (length !== null) return refused('Content-Length twice');
      length = value;
      if (!isLength(value)) return refused('a Content-Length that is no plain number');
    } else if (isField(name, 'transfer-encoding')) {
      if (coding !== null) return refused('Transfer-Encoding twice');
      coding = value;
    }
  }
  // RFC 9112 section 6.3: it ends with its head, whatever that says.
  if (status < 200) return NONE;
  // Another coding would be taken off the head and left on the body.
  if (coding !== null && coding.toLowerCase() !== 'chunked')
    return refused('a transfer coding other than chunked');
  if (coding !== null && length !== null) return refused('Content-Length and Transfer-Encoding');
  if (coding !== null && facts.version === '1.0') return refused('Transfer-Encoding in HTTP/1.0');
  if (status === 204 && length !== null && length !== '0') return refused('204 with a Content-Length');
  if (facts.method === 'HEAD' || !mayHaveBody(status)) return NONE;
  if (coding !== null) return CHUNKED;
  return length === null ? CLOSED : BY_LENGTH;
}

/** RFC 9110 section 15: the classes there are. */
export function isStatus(status: number): boolean {
  return Number.isInteger(status) && status >= 100 && status <= 599;
}

export function isLength(value: string): boolean {
  return LENGTH.test(value);
}

function refused(why: string): ResponseVerdict {
  return { kind: 'refused', why: `the response has ${why}` };
}
