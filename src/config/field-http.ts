// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the syntax of variables in the file.
import { BlockList, isIP } from 'node:net';
import { parsePointer } from '../core/json-pointer.ts';
import { compilePath } from '../core/route.ts';
import { matching, parsedText } from './field.ts';
import { nearestName } from './near.ts';
import { type Parsed, parseListen } from './units.ts';

/** Values with a syntax of their own: names of HTTP, patterns, addresses. */

/** RFC 9110 section 5.1. To lower case, as every comparison needs it. */
export function fieldName() {
  return parsedText<string>(
    'header name',
    'must be the name of a header field',
    (name) =>
      /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/.test(name)
        ? { kind: 'ok', value: name.toLowerCase() }
        : {
            kind: 'fault',
            message: 'is not the name of a header field: letters, digits and "-", no colon or space',
          },
    { pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$" },
  );
}

export function token(what: string) {
  return matching(
    'name',
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    `must be ${what} of 1 to 64 letters, digits, ".", "_" and "-"; put a number in quotes`,
  );
}

/** RFC 9110 section 9.1: case-sensitive. */
export function method() {
  return parsedText<string>('method', 'must be a method, such as POST', (name) => {
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/.test(name))
      return { kind: 'fault', message: 'is not a method, such as POST' };
    return name === name.toUpperCase()
      ? { kind: 'ok', value: name }
      : {
          kind: 'fault',
          message: 'methods are compared with case and are written in capitals, such as POST',
        };
  });
}

export function jsonPointer() {
  return parsedText('JSON Pointer', 'must be a JSON Pointer, such as /request_id', (pointer) => {
    const parsed = parsePointer(pointer);
    return parsed.kind === 'ok'
      ? { kind: 'ok', value: { pointer, tokens: parsed.tokens } }
      : { kind: 'fault', message: `is not a JSON Pointer (RFC 6901): ${parsed.detail}` };
  });
}

export function pathPattern() {
  return parsedText('path pattern', 'must be a path pattern, such as /v1/payments/**', (pattern) => {
    const compiled = compilePath(pattern);
    return compiled.kind === 'ok'
      ? { kind: 'ok', value: compiled.segments }
      : { kind: 'fault', message: compiled.message };
  });
}

/** As compared with Host: lower case, no port. `*.example.com` stands for one or more labels before it. */
export function hostPattern() {
  return parsedText<string>('host', 'must be a host name, such as pay.example.com', (host) => {
    const lower = host.toLowerCase();
    if (
      /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/.test(lower) &&
      lower.length <= 255
    )
      return { kind: 'ok', value: lower };
    if (/^\[[0-9a-f:.]+\]$/.test(lower) && isIP(lower.slice(1, -1)) === 6)
      return { kind: 'ok', value: lower };
    if (/:\d+$/.test(lower))
      return { kind: 'fault', message: 'is written without a port; every port of the listener serves it' };
    if (lower.includes('/'))
      return { kind: 'fault', message: 'is a host name alone, without scheme and path' };
    return { kind: 'fault', message: 'is not a host name; "*" may stand only first, as in *.example.com' };
  });
}

export function listenAddress() {
  return parsedText(
    'address',
    'must be host:port, such as 127.0.0.1:8080; put it in quotes if need be',
    parseListen,
  );
}

/** An address, or a range in CIDR notation (RFC 4632, RFC 4291 section 2.3). */
export function addressRange() {
  return parsedText<string>('address range', 'must be an address range, such as 10.0.0.0/8', (range) => {
    const [address = '', prefix, ...more] = range.split('/');
    const family = isIP(address);
    const most = family === 6 ? 128 : 32;
    const fits = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= most);
    if (family === 0 || !fits || more.length > 0)
      return {
        kind: 'fault',
        message: 'is not an address range, such as 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32',
      };
    return isUsableRange(
      address,
      prefix === undefined ? most : Number(prefix),
      family === 6 ? 'ipv6' : 'ipv4',
    )
      ? { kind: 'ok', value: range }
      : {
          kind: 'fault',
          message: 'is not an address range that can be compared; leave out a zone such as %eth0',
        };
  });
}

function isUsableRange(address: string, prefix: number, family: 'ipv4' | 'ipv6'): boolean {
  try {
    new BlockList().addSubnet(address, prefix, family);
    return true;
  } catch {
    return false;
  }
}

/** Of a server to connect to: the port is always said. */
export function hostPort() {
  const message = 'must be host:port, such as redis-1:6379 or [2001:db8::1]:6379';
  return parsedText<string>('host:port', message, (text) => {
    const url = /^[^/?#@\s]+:\d{1,5}$/.test(text) && URL.canParse(`redis://${text}`) ? text : null;
    const port = Number(text.slice(text.lastIndexOf(':') + 1));
    return url === null || port < 1 || port > 65_535
      ? { kind: 'fault', message }
      : { kind: 'ok', value: text };
  });
}

export type StoreUrl =
  | { readonly kind: 'memory' }
  | { readonly kind: 'lmdb'; readonly path: string }
  | { readonly kind: 'redis'; readonly url: string }
  | { readonly kind: 'postgres'; readonly url: string };

const STORE_FORMS = 'lmdb:PATH, redis://HOST:PORT, rediss://HOST:PORT, postgres://HOST:PORT/DB or memory';

export function storeUrl() {
  return parsedText<StoreUrl>('store', `must be ${STORE_FORMS}`, (url) => {
    const scheme = /^([A-Za-z][A-Za-z0-9+.-]*)(?::|$)/.exec(url)?.[1] ?? '';
    switch (scheme) {
      case 'memory':
        return url === 'memory:' || url === 'memory'
          ? { kind: 'ok', value: { kind: 'memory' } }
          : { kind: 'fault', message: 'has something after "memory"' };
      case 'lmdb': {
        const path = url.slice(5);
        if (path === '' || path.includes('\0'))
          return { kind: 'fault', message: 'needs a folder, such as lmdb:./onceward-data' };
        if (path.startsWith('//'))
          return { kind: 'fault', message: 'is written lmdb:/path or lmdb:./path, without "//"' };
        return { kind: 'ok', value: { kind: 'lmdb', path } };
      }
      case 'redis':
      case 'rediss':
        return redisUrl(url);
      case 'postgres':
      case 'postgresql':
        return postgresUrl(url);
      default: {
        const near = nearestName(scheme, ['memory', 'lmdb', 'redis', 'rediss', 'postgres']);
        return {
          kind: 'fault',
          message: `must be ${STORE_FORMS}${near === null ? '' : `; did you mean ${near}?`}`,
        };
      }
    }
  });
}

function redisUrl(text: string): Parsed<StoreUrl> {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || url.hostname === '')
    return {
      kind: 'fault',
      message:
        'is not a URL such as redis://user:password@host:6379/0; percent-encode special characters of a password',
    };
  if (!/^\/?(?:\d{1,5})?$/.test(url.pathname))
    return { kind: 'fault', message: 'has a path that is not the number of a database, such as /0' };
  return { kind: 'ok', value: { kind: 'redis', url: text } };
}

function postgresUrl(text: string): Parsed<StoreUrl> {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || url.hostname === '')
    return {
      kind: 'fault',
      message:
        'is not a URL such as postgres://user:password@host:5432/database; percent-encode special characters of a password',
    };
  return { kind: 'ok', value: { kind: 'postgres', url: text } };
}

/** A name that needs no quotes in SQL. */
export function sqlName() {
  return parsedText<string>('name', 'must be a name in SQL, such as onceward', (text) =>
    /^[a-z_][a-z0-9_]{0,62}$/.test(text)
      ? { kind: 'ok', value: text }
      : {
          kind: 'fault',
          message:
            'may have only a-z, 0-9 and _, at most 48 of them, and begins with neither a digit nor pg_',
        },
  );
}

/** Scheme, host and port: the rest of the target always comes from the request. */
export function upstreamOrigin() {
  return parsedText<string>('URL', 'must be a URL, such as http://127.0.0.1:3000', (text) => {
    const url = URL.canParse(text) ? new URL(text) : null;
    if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
      return { kind: 'fault', message: 'is not a URL of the kind http://host:port or https://host:port' };
    }
    if (url.username !== '' || url.password !== '')
      return {
        kind: 'fault',
        message: 'has a user name or password; the backend gets the credentials of each request',
      };
    if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
      return {
        kind: 'fault',
        message: 'has a path or query; write scheme, host and port only, requests keep their own path',
      };
    }
    return { kind: 'ok', value: url.origin };
  });
}

export function webAddress() {
  return parsedText<string>('URL', 'must be a URL, such as https://docs.example.com/errors', (text) => {
    const url = URL.canParse(text) ? new URL(text) : null;
    const fits =
      url !== null &&
      (url.protocol === 'http:' || url.protocol === 'https:') &&
      /^[\x21-\x7e]+$/.test(text) &&
      !/[<>"\\]/.test(text);
    return fits
      ? { kind: 'ok', value: text }
      : { kind: 'fault', message: 'is not a URL of the kind https://…' };
  });
}

const SECRET_CHARS_MIN = 32;
const SECRET_CHARACTERS_MIN = 8;

/** What keys are hashed with. Its length is no proof of randomness, but repetition is one of its absence. */
export function secret() {
  const advice = 'make one with: openssl rand -hex 32';
  return parsedText<string>(
    'secret',
    `must be text of at least ${SECRET_CHARS_MIN} characters; put it in quotes`,
    (value) => {
      if (value.length < SECRET_CHARS_MIN)
        return { kind: 'fault', message: `is shorter than ${SECRET_CHARS_MIN} characters; ${advice}` };
      if (value.length > 1024) return { kind: 'fault', message: 'is longer than 1024 characters' };
      return new Set(value).size < SECRET_CHARACTERS_MIN
        ? { kind: 'fault', message: `is not random; ${advice}` }
        : { kind: 'ok', value };
    },
  );
}

/** Literal, so that no two spellings of it reach different places; the guard refuses all that is odd in a path. */
export function reservedPrefix() {
  return parsedText<string>('path', 'must be a path, such as /.well-known/onceward', (text) =>
    /^(?:\/[A-Za-z0-9._~-]{1,64}){1,8}$/.test(text) && !/\/\.{1,2}(?:\/|$)/.test(text)
      ? { kind: 'ok', value: text }
      : {
          kind: 'fault',
          message:
            'is not a path such as /.well-known/onceward: 1 to 8 segments of letters, digits, ".", "_", "~" and "-", no "/" at the end',
        },
  );
}
