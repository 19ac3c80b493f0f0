import type { ResourceTemplate } from './resource.ts';
import { allValues, type RawHeaders } from './wire.ts';

/** Conditional requests (RFC 9110 section 13): what a client asks for, and what a route demands of its writes. */

export type PreconditionPolicy = {
  /** Case-sensitive. The methods that write the resource. */
  readonly methods: readonly string[];
  readonly require: 'if-match' | 'none';
  readonly versions: { readonly kind: 'backend' } | KeptVersions;
};

/** Versions that Onceward keeps, for a backend that has none. */
export type KeptVersions = {
  readonly kind: 'store';
  /** Null: the whole path. */
  readonly resource: ResourceTemplate | null;
  /** For a write in flight to the same resource. */
  readonly waitMs: number;
  readonly retainMs: number;
  readonly issue: 'reads-and-writes' | 'reads';
};

export type VersionUse =
  | { readonly kind: 'none' }
  | { readonly kind: 'read'; readonly kept: KeptVersions }
  | { readonly kind: 'write'; readonly kept: KeptVersions };

const NO_USE: VersionUse = { kind: 'none' };

/** What a request is to the versions that are kept here. */
export function versionUse(
  {
    mode,
    precondition,
  }: { readonly mode: 'enforce' | 'observe'; readonly precondition: PreconditionPolicy | null },
  method: string,
): VersionUse {
  if (precondition === null || precondition.versions.kind === 'backend' || mode === 'observe') return NO_USE;
  if (precondition.methods.includes(method)) return { kind: 'write', kept: precondition.versions };
  return method === 'GET' || method === 'HEAD' ? { kind: 'read', kept: precondition.versions } : NO_USE;
}

export type EntityTag = {
  readonly strength: 'strong' | 'weak';
  /** Without its quotes. */
  readonly opaque: string;
};

export type TagField =
  | { readonly kind: 'absent' }
  /** `*`: whatever there is. */
  | { readonly kind: 'any' }
  | { readonly kind: 'tags'; readonly tags: readonly EntityTag[] }
  | { readonly kind: 'invalid' };

const ABSENT: TagField = { kind: 'absent' };
const INVALID: TagField = { kind: 'invalid' };

/** RFC 9110 section 8.8.3: nothing is escaped within the quotes, and a comma there ends nothing. */
const ENTITY_TAG = /(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"/y;
/** Empty elements of a list are read over (RFC 9110 section 5.6.1.2). */
const BETWEEN = /[ \t]*(?:,[ \t]*)*/y;

/** `If-Match` or `If-None-Match`, all its lines together. A list without a tag says nothing, and is invalid. */
export function readTagField(rawHeaders: RawHeaders, nameLower: string): TagField {
  const lines = allValues(rawHeaders, nameLower);
  if (lines.length === 0) return ABSENT;
  const text = lines.join(',');
  if (text.trim() === '*') return { kind: 'any' };
  const tags: EntityTag[] = [];
  let at = skip(text, 0);
  while (at < text.length) {
    ENTITY_TAG.lastIndex = at;
    const found = ENTITY_TAG.exec(text);
    if (found === null) return INVALID;
    tags.push({ strength: found[1] === undefined ? 'strong' : 'weak', opaque: found[2] ?? '' });
    const end = ENTITY_TAG.lastIndex;
    at = skip(text, end);
    if (at < text.length && !text.slice(end, at).includes(',')) return INVALID;
  }
  return tags.length === 0 ? INVALID : { kind: 'tags', tags };
}

function skip(text: string, from: number): number {
  BETWEEN.lastIndex = from;
  BETWEEN.exec(text);
  return BETWEEN.lastIndex;
}

/** The conditions of a request that a version can answer; those by date are the backend's. */
export type Conditions = { readonly ifMatch: TagField; readonly ifNoneMatch: TagField };

export function readConditions(rawHeaders: RawHeaders): Conditions {
  return {
    ifMatch: readTagField(rawHeaders, 'if-match'),
    ifNoneMatch: readTagField(rawHeaders, 'if-none-match'),
  };
}

export type Demand =
  /** Not one of the methods that write the resource. */
  | { readonly kind: 'not-concerned' }
  | { readonly kind: 'fulfilled' }
  | { readonly kind: 'missing' }
  /** A backend that cannot read a condition may execute without it. */
  | { readonly kind: 'invalid'; readonly field: 'If-Match' | 'If-None-Match' };

/** Whether a write is as conditional as its route wants it. `If-None-Match: *` is the condition of one that creates. */
export function demandOf(
  policy: PreconditionPolicy,
  head: { readonly method: string; readonly rawHeaders: RawHeaders },
): Demand {
  if (!policy.methods.includes(head.method)) return { kind: 'not-concerned' };
  const { ifMatch, ifNoneMatch } = readConditions(head.rawHeaders);
  if (ifMatch.kind === 'invalid') return { kind: 'invalid', field: 'If-Match' };
  if (ifNoneMatch.kind === 'invalid') return { kind: 'invalid', field: 'If-None-Match' };
  const conditional = ifMatch.kind !== 'absent' || ifNoneMatch.kind === 'any';
  return conditional || policy.require === 'none' ? { kind: 'fulfilled' } : { kind: 'missing' };
}
