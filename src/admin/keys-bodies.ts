import type { PlainResponse } from '../core/record.ts';

/** The bodies of the admin port, read by hand: what is wrong is said in words. */

export type Lookup = {
  /** Its keyspace and scope hold. */
  readonly route: string;
  /** Name, value, name, value … */
  readonly rawHeaders: readonly string[];
  readonly key: string;
};

type Resolve =
  | { readonly to: 'released'; readonly token: number }
  | {
      readonly to: 'completed';
      readonly token: number;
      readonly response: Extract<PlainResponse, { kind: 'full' }>;
    };

/** A string says what is wrong. */
export function parseLookup(body: Uint8Array): Lookup | string {
  const read = readObject(body);
  if (typeof read === 'string') return read;
  const { route, headers = {}, key } = read;
  if (typeof route !== 'string') return 'route is the name of the route that the request is on.';
  if (typeof key !== 'string' || key === '') return 'key is the key as the client sent it, without quotes.';
  const rawHeaders = fieldsOf(headers);
  return rawHeaders === null ? FIELDS : { route, rawHeaders, key };
}

/** A string says what is wrong. */
export function parseResolve(body: Uint8Array, receivedAtMs: number): Resolve | string {
  const read = readObject(body);
  if (typeof read === 'string') return read;
  const { to, token, status, headers = {}, body: text, bodyBase64 } = read;
  if (typeof token !== 'number' || !Number.isSafeInteger(token))
    return 'token is the number that the record shows, so that nothing else is resolved.';
  if (to === 'released') return { to, token };
  if (to !== 'completed') return 'to is completed or released.';
  if (typeof status !== 'number' || !Number.isInteger(status) || status < 200 || status > 599)
    return 'status is the status that repeats get, from 200 to 599.';
  const rawHeaders = fieldsOf(headers);
  if (rawHeaders === null) return FIELDS;
  const bytes = bytesOf(text, bodyBase64);
  if (bytes === null) return 'body is text, or bodyBase64 is Base64; not both.';
  if (bytes.byteLength > 0 && (status === 204 || status === 304)) return `${status} has no body.`;
  return { to, token, response: { kind: 'full', status, rawHeaders, body: bytes, receivedAtMs } };
}

const FIELDS =
  'headers is an object of names and texts, without those that the wire sets itself, such as Content-Length.';
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;
const VALUE = /^[\x20-\x7e]{0,4096}$/;
const OWN = /^(?:content-length|transfer-encoding|connection|keep-alive|te|trailer|upgrade)$/i;

function fieldsOf(headers: unknown): string[] | null {
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) return null;
  const rawHeaders: string[] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (!NAME.test(name) || OWN.test(name) || typeof value !== 'string' || !VALUE.test(value)) return null;
    rawHeaders.push(name, value);
  }
  return rawHeaders;
}

function bytesOf(text: unknown, base64: unknown): Uint8Array | null {
  if (base64 === undefined)
    return text === undefined ? new Uint8Array(0) : typeof text === 'string' ? Buffer.from(text) : null;
  if (text !== undefined || typeof base64 !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) return null;
  return Buffer.from(base64, 'base64');
}

function readObject(body: Uint8Array): Readonly<Record<string, unknown>> | string {
  try {
    const read: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
    return typeof read === 'object' && read !== null && !Array.isArray(read) ? { ...read } : NO_OBJECT;
  } catch {
    return NO_OBJECT;
  }
}

const NO_OBJECT = 'The body is no JSON object.';
