/** The formats of captured requests: HAR 1.2 as browsers save it, and one JSON object a line. */

export type Captured =
  | {
      readonly kind: 'request';
      readonly at: string;
      readonly method: string;
      readonly url: string;
      readonly headers: readonly (readonly [string, string])[];
      readonly body: Uint8Array;
      readonly check: string | null;
    }
  | { readonly kind: 'unreadable'; readonly at: string; readonly why: string };

type Members = Readonly<Record<string, unknown>>;

/** Null: it is no HAR. */
export function capturedOfHar(text: string): readonly Captured[] | null {
  const log = members(members(parsed(text)).log);
  if (!Array.isArray(log.entries)) return null;
  return log.entries.map((entry, index) => capturedOfEntry(members(entry), `entry ${index + 1}`));
}

function capturedOfEntry(entry: Members, at: string): Captured {
  const request = members(entry.request);
  const { method, url } = request;
  if (typeof method !== 'string' || typeof url !== 'string')
    return { kind: 'unreadable', at, why: 'it has no method and url' };
  const headers = pairsOf(request.headers);
  if (headers === null) return { kind: 'unreadable', at, why: 'its headers are no list of name and value' };
  const posted = members(request.postData);
  const fields = pairsOf(posted.params) ?? [];
  const body =
    typeof posted.text === 'string'
      ? Buffer.from(posted.text, posted.encoding === 'base64' ? 'base64' : 'utf8')
      : Buffer.from(
          fields.length === 0 ? '' : new URLSearchParams(fields.map(([...pair]) => pair)).toString(),
        );
  return { kind: 'request', at, method, url, headers, body, check: null };
}

/** `{"method": "PUT", "path": "/a", "headers": {}, "body": {…} or "text", "bodyBase64": "", "check": "/a"}` */
export function capturedOfLine(line: string, at: string): Captured {
  const value = parsed(line);
  const { method, path, url = path, headers = {}, body, bodyBase64, check = null } = members(value);
  const wrong = (why: string): Captured => ({ kind: 'unreadable', at, why });
  if (typeof method !== 'string' || typeof url !== 'string')
    return wrong('it is no JSON object with method and path');
  const pairs = Object.entries(members(headers));
  if (!pairs.every((pair): pair is [string, string] => typeof pair[1] === 'string'))
    return wrong('its headers are no object of names and texts');
  if (check !== null && typeof check !== 'string') return wrong('its check is no path');
  if (bodyBase64 !== undefined && (typeof bodyBase64 !== 'string' || body !== undefined))
    return wrong('bodyBase64 is text, and in place of body');
  const bytes =
    bodyBase64 !== undefined
      ? Buffer.from(bodyBase64, 'base64')
      : Buffer.from(body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body));
  const isJson = body !== undefined && typeof body !== 'string';
  const typed = pairs.some(([name]) => name.toLowerCase() === 'content-type');
  const all: [string, string][] = isJson && !typed ? [...pairs, ['Content-Type', 'application/json']] : pairs;
  return { kind: 'request', at, method, url, headers: all, body: bytes, check };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function members(value: unknown): Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function pairsOf(list: unknown): readonly (readonly [string, string])[] | null {
  if (!Array.isArray(list)) return null;
  const pairs = list.map(members).map(({ name, value }) => [name, value] as const);
  return pairs.every(
    (pair): pair is readonly [string, string] => typeof pair[0] === 'string' && typeof pair[1] === 'string',
  )
    ? pairs
    : null;
}
