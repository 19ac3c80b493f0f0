import { type ApiDocument, type ApiOperation, listOf, type Members, members } from './openapi-document.ts';

/** What an operation says of its key, and of whose key it is. */

export type KeyHint =
  | { readonly kind: 'header'; readonly name: string; readonly presence: 'required' | 'optional' }
  /** A member of the JSON body, by JSON Pointer. */
  | { readonly kind: 'json'; readonly pointer: string; readonly presence: 'required' | 'optional' }
  /** It says that a repeat does no harm: no record is made. */
  | { readonly kind: 'none' }
  | { readonly kind: 'unsaid' };

export type ScopeHint =
  | { readonly kind: 'headers'; readonly names: readonly string[] }
  /** The operation says that it needs no credentials. */
  | { readonly kind: 'open' }
  /** Credentials that are in no header field. */
  | { readonly kind: 'elsewhere' }
  | { readonly kind: 'unsaid' };

/** Header fields that carry a key, in lower case. */
const KEY_FIELDS: ReadonlySet<string> = new Set([
  ...['idempotency-key', 'x-idempotency-key', 'idempotency-token', 'x-idempotency-token'],
  ...['idempotent-key', 'x-idempotent-key', 'idempotency-id', 'x-idempotency-id'],
  ...['paypal-request-id', 'cko-idempotency-key', 'repeatability-request-id'],
]);
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;
/** As many as `scope.headers` takes. */
const SCOPE_FIELDS_MAX = 8;
const KEY_MEMBERS: ReadonlySet<string> = new Set(['idempotency_key', 'idempotencykey', 'idempotency-key']);

export function keyHint(api: ApiDocument, { operation, parameters }: ApiOperation): KeyHint {
  // A parameter of the operation stands for one of the path.
  for (const { name, in: place, required } of parameters.toReversed()) {
    if (place === 'header' && typeof name === 'string' && KEY_FIELDS.has(name.toLowerCase()))
      return { kind: 'header', name, presence: required === true ? 'required' : 'optional' };
  }
  const found = bodyHint(api, operation);
  return found.kind === 'unsaid' && operation['x-idempotent'] === true ? { kind: 'none' } : found;
}

function bodyHint({ resolve }: ApiDocument, operation: Members): KeyHint {
  const body = resolve(operation.requestBody);
  const content = Object.entries(members(body.content)).find(([type]) =>
    /^application\/(?:[\w.-]+\+)?json\b/i.test(type),
  );
  const schema = resolve(members(content?.[1]).schema);
  for (const part of [schema, ...listOf(schema.allOf).map(resolve)]) {
    const name = Object.keys(members(part.properties)).find((one) => KEY_MEMBERS.has(one.toLowerCase()));
    if (name === undefined) continue;
    const isRequired = body.required === true && listOf(part.required).includes(name);
    return { kind: 'json', pointer: `/${name}`, presence: isRequired ? 'required' : 'optional' };
  }
  return { kind: 'unsaid' };
}

export function scopeHint(api: ApiDocument, { operation }: ApiOperation): ScopeHint {
  const security = operation.security ?? api.security;
  if (!Array.isArray(security)) return { kind: 'unsaid' };
  const alternatives = security.map((one) => Object.keys(members(one)));
  if (alternatives.length === 0 || alternatives.some((names) => names.length === 0)) return { kind: 'open' };
  const fields = alternatives.flat().map((name) => credentialField(api.resolve(api.securitySchemes[name])));
  const names = [...new Set(fields.filter((field) => field !== null))];
  return names.length === 0
    ? { kind: 'elsewhere' }
    : { kind: 'headers', names: names.slice(0, SCOPE_FIELDS_MAX) };
}

/** Null: in no header field, or in one that changes with every request. */
function credentialField({ type, in: place, name }: Members): string | null {
  switch (type) {
    case 'http':
    case 'oauth2':
    case 'openIdConnect':
      return 'authorization';
    case 'apiKey':
      return place === 'header' && typeof name === 'string' && FIELD_NAME.test(name)
        ? name.toLowerCase()
        : null;
    default:
      return null;
  }
}
