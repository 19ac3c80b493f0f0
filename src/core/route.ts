import type { PathSegment, RouteMatch, RoutePolicy } from './policy.ts';
import { VALUE_NAME } from './template.ts';
import { allValues, type RawHeaders } from './wire.ts';

const SLASH = 0x2f;
const DOT = 0x2e;

/** Which route a request is on: the first that matches, in the order of the file. */

export type RouteRequest = {
  readonly method: string;
  /** With port, as in Host. */
  readonly host: string;
  /** Raw, without query; the guard has refused encoded separators and dot segments. */
  readonly path: string;
  readonly rawHeaders: RawHeaders;
};

export function matchRoute(routes: readonly RoutePolicy[], request: RouteRequest): RoutePolicy | null {
  // Worked out for the first route that asks.
  let host: string | null = null;
  for (const route of routes) {
    const { match } = route;
    if (match.methods.length > 0 && !match.methods.includes(request.method)) continue;
    if (match.path !== null && !matchesPath(match.path, request.path)) continue;
    if (match.host !== null) {
      host ??= hostOnly(request.host);
      if (!matchesHost(match.host, host)) continue;
    }
    if (!matchesHeaders(match.headers, request.rawHeaders)) continue;
    return route;
  }
  return null;
}

function matchesHeaders(wanted: RouteMatch['headers'], rawHeaders: RawHeaders): boolean {
  for (const { name, value } of wanted) {
    const values = allValues(rawHeaders, name);
    if (value === null ? values.length === 0 : !values.includes(value)) return false;
  }
  return true;
}

/** Without port and root label, in lower case: as one host is compared with another. */
export function hostOnly(host: string): string {
  const colon = host.indexOf(':', host.lastIndexOf(']'));
  const end = colon === -1 ? host.length : colon;
  // The root label names the same host (RFC 1034 section 3.1); with it a request must not slip past its route.
  return host.slice(0, host.charCodeAt(end - 1) === DOT ? end - 1 : end).toLowerCase();
}

function matchesHost(pattern: string, host: string): boolean {
  return pattern.startsWith('*.')
    ? host.length > pattern.length - 1 && host.endsWith(pattern.slice(1))
    : host === pattern;
}

/**
 * On the path as it is, segment by segment, nothing allocated. Costs at most pattern × segments: on a mismatch only the
 * last `**` takes one segment more.
 */
export function matchesPath(pattern: readonly PathSegment[], path: string): boolean {
  // Where the next segment begins; one past the end of the path when there is none.
  let at = 1;
  let want = 0;
  let restWant = -1;
  let restAt = 1;
  while (at <= path.length) {
    const wanted = pattern[want];
    if (wanted?.kind === 'rest') {
      restWant = want;
      restAt = at;
      want += 1;
      continue;
    }
    const end = wanted === undefined ? -1 : segmentEnd(wanted, path, at);
    if (end !== -1) {
      want += 1;
      at = end + 1;
    } else if (restWant !== -1) {
      want = restWant + 1;
      restAt = nextSlash(path, restAt) + 1;
      at = restAt;
    } else {
      return false;
    }
  }
  while (pattern[want]?.kind === 'rest') want += 1;
  return want === pattern.length;
}

/** Where the segment ends that begins here and fits, or -1. */
function segmentEnd(wanted: Exclude<PathSegment, { kind: 'rest' }>, path: string, at: number): number {
  if (wanted.kind === 'one') {
    const end = nextSlash(path, at);
    return end === at ? -1 : end;
  }
  const end = at + wanted.text.length;
  const isWhole = end === path.length || path.charCodeAt(end) === SLASH;
  return isWhole && path.startsWith(wanted.text, at) ? end : -1;
}

function nextSlash(path: string, from: number): number {
  const slash = path.indexOf('/', from);
  return slash === -1 ? path.length : slash;
}

export type CompiledPath =
  | { readonly kind: 'ok'; readonly segments: readonly PathSegment[] }
  | { readonly kind: 'fault'; readonly message: string };

const NAMED = new RegExp(`^\\{${VALUE_NAME.source.slice(1, -1)}\\}$`);

/** `/v1/payments/**`: `*` is one segment, `{id}` one with a name, `**` any number, none included. */
export function compilePath(pattern: string): CompiledPath {
  if (!pattern.startsWith('/')) return { kind: 'fault', message: 'a path pattern begins with "/"' };
  if (!/^[\x21-\x7e]+$/.test(pattern) || /[?#\\%]/.test(pattern)) {
    return {
      kind: 'fault',
      message:
        'a path pattern has visible ASCII characters only, and no query, fragment, backslash or percent-encoding; paths are compared as they are sent',
    };
  }
  const segments: PathSegment[] = [];
  for (const text of pattern.slice(1).split('/')) {
    if (text === '**') segments.push({ kind: 'rest' });
    else if (text === '*') segments.push({ kind: 'one' });
    else if (NAMED.test(text)) segments.push({ kind: 'one', name: text.slice(1, -1) });
    else if (/[{}]/.test(text))
      return {
        kind: 'fault',
        message: `"${text}": a name such as {id} stands for a whole segment, with letters, digits, "_" and "-"`,
      };
    else if (text.includes('*'))
      return {
        kind: 'fault',
        message: `"${text}": "*" stands for a whole segment; match the rest of a path with "/**"`,
      };
    else if (text === '.' || text === '..')
      return {
        kind: 'fault',
        message: `a path pattern has no "${text}" segment; no request with one is served`,
      };
    else segments.push({ kind: 'literal', text });
  }
  return { kind: 'ok', segments };
}
