import type { Conditions } from './precondition.ts';
import { isField, type RawHeaders } from './wire.ts';

/** The fields by which a version that Onceward keeps is told and asked for; the backend knows nothing of it. */

/**
 * Conditions that name our tags are judged here, and a backend that does not know the tags would have to answer 412 or
 * 200 at random. With them go the fields that RFC 9110 section 13.2.2 has a server ignore beside them. `*` passes: whether
 * the resource is there, the backend knows best. A read without them is always answered in full: a part, or a 304, would
 * be joined with what the client has by a tag that says nothing of bytes.
 */
export function withoutOurConditions(
  rawHeaders: RawHeaders,
  { ifMatch, ifNoneMatch }: Conditions,
): RawHeaders {
  const dropped: string[] = [];
  if (ifMatch.kind === 'tags') dropped.push('if-match', 'if-unmodified-since');
  if (ifNoneMatch.kind === 'tags') dropped.push('if-none-match', 'if-modified-since');
  if (has(rawHeaders, 'if-range')) dropped.push('if-range', 'range');
  if (dropped.length === 0) return rawHeaders;
  const kept: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (!dropped.some((one) => isField(name, one))) kept.push(name, rawHeaders[i + 1] ?? '');
  }
  return kept;
}

/**
 * The fields of a response with the ETag of the version, or with none. One of the backend's own is renamed: a client that
 * sent it back would be told that it is stale.
 */
export function withVersion(rawHeaders: RawHeaders, opaque: string | null): string[] {
  const out: string[] = [];
  let representation = '';
  let cors: 'no' | 'yes' = 'no';
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    const value = rawHeaders[i + 1] ?? '';
    const lower = name.toLowerCase();
    if (REPRESENTATION.has(lower)) representation += `${lower}:${value}\n`;
    if (lower === 'access-control-allow-origin') cors = 'yes';
    out.push(lower === 'etag' ? 'Onceward-Upstream-ETag' : name, value);
  }
  if (opaque === null) return out;
  const negotiated = has(rawHeaders, 'vary') || has(rawHeaders, 'content-encoding');
  out.push('ETag', `"${opaque}${negotiated ? `.${digestOf(representation)}` : ''}"`);
  // A script of another origin would not see it (Fetch standard, CORS-safelisted response-header names).
  if (cors === 'yes') out.push('Access-Control-Expose-Headers', 'ETag');
  return out;
}

/** Two representations of one version must not have one strong tag (RFC 9110 section 8.8.3.3); to `If-Match` both are the version. */
const REPRESENTATION: ReadonlySet<string> = new Set(['content-encoding', 'content-language', 'content-type']);

function has(rawHeaders: RawHeaders, nameLower: string): boolean {
  for (let i = 0; i < rawHeaders.length; i += 2) if (isField(rawHeaders[i] ?? '', nameLower)) return true;
  return false;
}

/** FNV-1a, 32 bits: it only has to tell a few representations apart. */
function digestOf(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}
