import { fingerprintPolicyId } from '../core/fingerprint-policy.ts';
import type {
  FingerprintBody,
  FingerprintPolicy,
  KeySource,
  ReplayAuthorization,
  ScopePolicy,
} from '../core/policy.ts';
import type { Policy } from './schema-policy.ts';

/** What makes a request the same as an earlier one: its key, whose key it is, and what must not differ. */

export function resolveSource(source: Policy['key']['sources'][number]): KeySource {
  if (source.header !== undefined) return { kind: 'header', name: source.header };
  if (source.query !== undefined) return { kind: 'query', name: source.query };
  if (source.json !== undefined)
    return { kind: 'json', pointer: source.json.pointer, tokens: source.json.tokens };
  if (source.form !== undefined) return { kind: 'form', name: source.form };
  if (source.message !== undefined) return { kind: 'message', preset: source.message };
  throw new Error('a key source that names no place has passed the schema');
}

export function resolveScope({
  headers,
  cookies,
  anonymous,
  sigv4,
  jwt,
  certificate,
}: Policy['scope']): ScopePolicy {
  return {
    headers: sortedOnce(headers),
    anonymous,
    ...(cookies.length > 0 ? { cookies: sortedOnce(cookies) } : {}),
    ...(jwt === 'off' ? {} : { jwt: { claims: sortedOnce(jwt.claims).filter((name) => name !== 'iss') } }),
    ...(certificate === 'off' ? {} : { certificate }),
    ...(sigv4 ? { sigv4: 'access-key' as const } : {}),
  };
}

export function resolveFingerprint(fingerprint: Policy['fingerprint']): FingerprintPolicy {
  const policy: Omit<FingerprintPolicy, 'id'> = {
    method: fingerprint.method ? 'include' : 'exclude',
    path: fingerprint.path ? 'include' : 'exclude',
    query: fingerprint.query === 'ignore' ? 'exclude' : fingerprint.query,
    body: bodyOf(fingerprint.body),
    headers: sortedOnce(fingerprint.headers),
  };
  return { id: fingerprintPolicyId(policy), ...policy };
}

function bodyOf(body: Policy['fingerprint']['body']): FingerprintBody {
  if (typeof body === 'string') return { kind: body };
  if ('select' in body)
    return { kind: 'json-select', pointers: sortedOnce(body.select.map(({ pointer }) => pointer)) };
  return { kind: 'json-exclude', pointers: sortedOnce(body.exclude.map(({ pointer }) => pointer)) };
}

/** In what order the file lists them must not change a digest. */
function sortedOnce(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort();
}

/** Null where a token is verified anyway, before anything is looked up. */
export function resolveAuthorization({ replay, scope }: Policy): ReplayAuthorization | null {
  const { authorize } = replay;
  if (authorize === 'none' || (authorize === 'jwt' && scope.jwt !== 'off')) return null;
  if (authorize === 'jwt') return { kind: 'jwt' };
  const { method, path, timeout } = authorize.subrequest;
  return { kind: 'subrequest', method, target: path, timeoutMs: timeout };
}
