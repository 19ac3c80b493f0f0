import type { RequestHead } from '../core/wire.ts';
import type { ProblemCode } from '../problems/registry.ts';

/**
 * What two parsers may read differently is refused before anything is decided on it.
 * One pass over the field lines; no copy.
 */

export type GuardLimits = { readonly headersMax: number; readonly targetBytesMax: number };

export type Guarded =
  | { readonly kind: 'ok'; readonly host: string; readonly path: string; readonly target: string }
  | { readonly kind: 'refused'; readonly code: ProblemCode; readonly detail: string };

/** Names whose meaning changes if a hop drops or adds them; `Connection` must not nominate them. */
const RELIED_ON: ReadonlySet<string> = new Set([
  'host',
  'authorization',
  'cookie',
  'idempotency-key',
  'date',
  'forwarded',
  'x-real-ip',
]);

/** With `_` for `-` a CGI-like backend reads these as the real field. */
const UNDERSCORE_TWINS: ReadonlySet<string> = new Set([
  'content-length',
  'transfer-encoding',
  'host',
  'connection',
  'authorization',
  'cookie',
  'idempotency-key',
  'expect',
]);

/** Read here, whatever the configuration says; keys and scopes say by themselves what may be in them. */
const INTERPRETED: ReadonlySet<string> = new Set(['authorization', 'connection', 'expect', 'te', 'upgrade']);

const OBS_TEXT = /[\u0080-\uffff]/;
/** More is no use that anybody has. */
const NOMINATED_MAX = 10;
const ONE_FRAMING = 'Content-Length and Transfer-Encoding exclude each other, and each is there once.';

const METHOD_OVERRIDES: ReadonlySet<string> = new Set([
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
]);

const HOST = /^(?:[A-Za-z0-9._~!$&'()*+;=%-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;

function refused(code: ProblemCode, detail: string): Guarded {
  return { kind: 'refused', code, detail };
}

/** `reliedOn`: lower-case names the configuration identifies requests by (key and scope fields of any route). */
export function guard(head: RequestHead, limits: GuardLimits, reliedOn: ReadonlySet<string>): Guarded {
  const { method, target, rawHeaders } = head;
  if (method === 'CONNECT')
    return refused('method-not-supported', 'Onceward is not a forward proxy: CONNECT is not served.');
  if (target.length > limits.targetBytesMax) {
    return refused('bad-request', `The request target is longer than ${limits.targetBytesMax} bytes.`);
  }
  if (rawHeaders.length / 2 > limits.headersMax) {
    return refused('head-too-large', `The request has more than ${limits.headersMax} header fields.`);
  }
  const fields = guardFields(head, reliedOn);
  if (fields.kind === 'refused') return fields;
  return guardTarget(target, fields.host);
}

function guardFields({ rawHeaders, httpVersion }: RequestHead, reliedOn: ReadonlySet<string>): Guarded {
  let host: string | null = null;
  let framing = 0;
  let nominated = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    const value = rawHeaders[i + 1] ?? '';
    const lower = name.toLowerCase();
    if (lower.includes('_') && isTwin(lower.replaceAll('_', '-'), reliedOn)) {
      return refused(
        'bad-request',
        `The field name ${name} can be mistaken for another; spell it with hyphens.`,
      );
    }
    switch (lower) {
      case 'host':
        if (host !== null) return refused('bad-request', 'The Host field is repeated.');
        if (!HOST.test(value)) return refused('bad-request', 'The Host field is not a single host and port.');
        host = value;
        break;
      case 'transfer-encoding':
        // A hop that speaks only HTTP/1.0 does not know the field, and sees another end.
        if (httpVersion === '1.0')
          return refused('bad-request', 'Transfer-Encoding has no meaning in HTTP/1.0.');
        if (++framing > 1) return refused('bad-request', ONE_FRAMING);
        if (value.toLowerCase() !== 'chunked')
          return refused('bad-request', 'Transfer-Encoding must be exactly "chunked".');
        break;
      case 'content-length':
        if (++framing > 1) return refused('bad-request', ONE_FRAMING);
        if (!/^(?:0|[1-9]\d{0,15})$/.test(value))
          return refused('bad-request', 'Content-Length is not a plain decimal number.');
        break;
      case 'connection': {
        nominated += value.split(',').length;
        if (nominated > NOMINATED_MAX)
          return refused('bad-request', `Connection nominates more than ${NOMINATED_MAX} fields.`);
        const bad = nominatedReliedOn(value, reliedOn);
        if (bad !== null) return refused('bad-request', `Connection must not nominate ${bad}.`);
        break;
      }
      case 'upgrade':
        if (/\bh2c\b/i.test(value)) return refused('bad-request', 'Upgrade to h2c is not served.');
        break;
      case 'http2-settings':
        return refused('bad-request', 'HTTP2-Settings is not served.');
      case 'expect':
        if (value.trim().toLowerCase() !== '100-continue')
          return refused('expectation-failed', 'Only "Expect: 100-continue" is understood.');
        break;
      default:
        if (METHOD_OVERRIDES.has(lower)) {
          return refused(
            'bad-request',
            `The field ${name} would change the method behind the proxy's back; send the method itself.`,
          );
        }
    }
    // Bytes above ASCII are one text in one charset and another in the next; elsewhere they pass as they are.
    if (INTERPRETED.has(lower) && OBS_TEXT.test(value))
      return refused('bad-request', `The field ${name} has bytes that are not ASCII.`);
  }
  return host === null
    ? refused('bad-request', 'The Host field is missing.')
    : { kind: 'ok', host, path: '', target: '' };
}

function isTwin(hyphenated: string, reliedOn: ReadonlySet<string>): boolean {
  return (
    UNDERSCORE_TWINS.has(hyphenated) ||
    reliedOn.has(hyphenated) ||
    METHOD_OVERRIDES.has(hyphenated) ||
    hyphenated.startsWith('x-forwarded-')
  );
}

function nominatedReliedOn(value: string, reliedOn: ReadonlySet<string>): string | null {
  for (const part of value.split(',')) {
    const token = part.trim().toLowerCase();
    if (
      RELIED_ON.has(token) ||
      reliedOn.has(token) ||
      token.startsWith('content-') ||
      token.startsWith('x-forwarded-')
    )
      return token;
  }
  return null;
}

/** What must not be in a path that is both matched and forwarded: encoded separators, dot segments, and the like. */
const UNSAFE_PATH =
  /%(?:2[fF]|5[cC]|00|2[eE]|25(?:2[fFeE]|5[cC]|00))|[\\#\u0000-\u0020\u007f-\uffff]|\/\/|\/\.{1,2}(?:\/|$|;)/;

function guardTarget(received: string, host: string): Guarded {
  const target = originForm(received, host);
  if (target === null) {
    return refused(
      'bad-request',
      'The request target must be a path, or an absolute URL whose authority is that of Host.',
    );
  }
  const query = target.indexOf('?');
  const asSent = query === -1 ? target : target.slice(0, query);
  const path = asSent.includes('%') ? normalised(asSent) : asSent;
  if (path === null || UNSAFE_PATH.test(path)) {
    return refused(
      'bad-request',
      'The path has an encoded separator, a dot segment, an empty segment, a broken escape or a forbidden character.',
    );
  }
  if (query !== -1 && /[#\u0000-\u0020\u007f]/.test(target.slice(query))) {
    return refused('bad-request', 'The query has a forbidden character; percent-encode it.');
  }
  // One spelling for the route and for the backend: what is matched is what is sent.
  const canonical = path === asSent ? target : path + (query === -1 ? '' : target.slice(query));
  return { kind: 'ok', host, path, target: canonical };
}

/**
 * RFC 3986 section 6.2.2: an escape of an unreserved character is that character, and the digits of the others are in upper case. Null:
 * what begins an escape is none.
 */
function normalised(path: string): string | null {
  if (/%(?![0-9A-Fa-f]{2})/.test(path)) return null;
  return path.replace(/%[0-9A-Fa-f]{2}/g, (triplet) => {
    const character = String.fromCharCode(Number.parseInt(triplet.slice(1), 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : triplet.toUpperCase();
  });
}

/** RFC 9112 section 3.2: origin form as it is; absolute form only for our own authority; null for the rest. */
function originForm(received: string, host: string): string | null {
  if (received.startsWith('/')) return received;
  const absolute = /^https?:\/\/([^/?#]*)(.*)$/i.exec(received);
  if (absolute === null || absolute[1]?.toLowerCase() !== host.toLowerCase()) return null;
  const rest = absolute[2] ?? '';
  return rest.startsWith('/') ? rest : `/${rest}`;
}
