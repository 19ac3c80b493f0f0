import { classifyMethod } from '../../core/classify.ts';
import { type Captured, capturedOfHar, capturedOfLine } from './captured.ts';

/** Which of the captured requests are tried: those that HTTP calls idempotent, each once, in their order. */

export type AuditRequest = {
  /** Where it stands in the file. */
  readonly at: string;
  readonly method: string;
  readonly target: string;
  /** Name, value, name, value …, without those that are the sender's. */
  readonly rawHeaders: readonly string[];
  readonly body: Uint8Array;
  /** The path that reads back what it does; null: as the command says. */
  readonly check: string | null;
};

export type LeftOut = { readonly at: string; readonly why: string };

export type ReadRequests =
  | {
      readonly kind: 'requests';
      readonly requests: readonly AuditRequest[];
      readonly leftOut: readonly LeftOut[];
    }
  | { readonly kind: 'fault'; readonly message: string };

export const REQUESTS_MAX = 1_000;
const ENTRIES_MAX = 20_000;

/** Set anew for the test backend. Credentials of where it was captured, and keys, must not get there. */
const NOT_SENT: ReadonlySet<string> = new Set([
  ...['host', 'content-length', 'connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'upgrade'],
  ...['transfer-encoding', 'expect', 'accept-encoding', 'http2-settings'],
  ...['authorization', 'proxy-authorization', 'cookie', 'idempotency-key', 'x-idempotency-key'],
]);

export function readRequests(text: string): ReadRequests {
  const captured = capturedOf(text);
  if (typeof captured === 'string') return { kind: 'fault', message: captured };
  if (captured.length > ENTRIES_MAX)
    return { kind: 'fault', message: `it has ${captured.length} requests, and ${ENTRIES_MAX} are the most` };
  const requests: AuditRequest[] = [];
  const leftOut: LeftOut[] = [];
  const seen = new Set<string>();
  for (const one of captured) {
    const read = requestOf(one);
    if ('why' in read) {
      leftOut.push(read);
      continue;
    }
    const identity = `${read.method} ${read.target}\n${Buffer.from(read.body).toString('base64')}`;
    if (seen.has(identity)) leftOut.push({ at: read.at, why: 'the same as an earlier one' });
    else requests.push(read);
    seen.add(identity);
  }
  if (requests.length > REQUESTS_MAX)
    return {
      kind: 'fault',
      message: `it has ${requests.length} different requests to try, and ${REQUESTS_MAX} are the most: split it`,
    };
  return { kind: 'requests', requests, leftOut };
}

function capturedOf(text: string): readonly Captured[] | string {
  if (text.trimStart().startsWith('{')) {
    const har = capturedOfHar(text);
    if (har !== null) return har;
  }
  const captured: Captured[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    captured.push(capturedOfLine(line, `line ${index + 1}`));
    if (captured.length > ENTRIES_MAX) break;
  }
  return captured.length === 0 ? 'it has no request' : captured;
}

function requestOf(captured: Captured): AuditRequest | LeftOut {
  const { at } = captured;
  if (captured.kind === 'unreadable') return { at, why: captured.why };
  const { method, url, headers, body, check } = captured;
  const out = (why: string): LeftOut => ({ at, why });
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/.test(method)) return out('its method is none');
  const requestClass = classifyMethod(method);
  if (requestClass === 'unsafe')
    return out(`${method} is not idempotent by definition: it needs a key, not an audit`);
  const target = targetOf(url);
  if (target === null) return out('its URL is neither a path nor http(s)');
  if (check !== null && targetOf(check) === null) return out('its check is neither a path nor http(s)');
  if (headers.some(([name]) => name.toLowerCase() === 'upgrade')) return out('it asks for an upgrade');
  const rawHeaders: string[] = [];
  for (const [name, value] of headers) {
    if (name.startsWith(':') || NOT_SENT.has(name.toLowerCase())) continue;
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/.test(name) || /[\r\n\0]/.test(value))
      return out(`its field ${JSON.stringify(name)} cannot be sent`);
    rawHeaders.push(name, Buffer.from(value, 'utf8').toString('latin1'));
  }
  return { at, method, target, rawHeaders, body, check: check === null ? null : targetOf(check) };
}

/** In origin form, without a fragment. */
export function targetOf(url: string): string | null {
  const path = /^https?:\/\/[^/?#]+(.*)$/i.exec(url)?.[1] ?? url;
  const target = (path === '' || path.startsWith('?') ? `/${path}` : path).replace(/#.*$/, '');
  return /^\/[\x21-\x7e]*$/.test(target) ? target : null;
}
