import { createHash } from 'node:crypto';
import type { ResolvedConfig } from '../../config/resolved.ts';
import { findBodyKey } from '../../core/body-key.ts';
import type { Caller } from '../../core/caller.ts';
import { type Decision, decide } from '../../core/decide.ts';
import type { DialectPolicy } from '../../core/dialect.ts';
import { fingerprint } from '../../core/fingerprint.ts';
import { readJsonRpc } from '../../core/json-rpc.ts';
import { confirmHeadKey, readHeadKey } from '../../core/key.ts';
import { type LockResources, lockOf, lockResources } from '../../core/lock-policy.ts';
import type { RequestClass } from '../../core/outcome.ts';
import { missingKeyDetail, type Planned, plan } from '../../core/plan.ts';
import type { KeySource, RoutePolicy } from '../../core/policy.ts';
import type { ClaimResult } from '../../core/record.ts';
import { reservedRest } from '../../core/reserved.ts';
import { cookieValues } from '../../core/scope.ts';
import type { SequenceIds } from '../../core/sequence.ts';
import { type TaskWish, taskWish } from '../../core/task.ts';
import { unreachable } from '../../core/unreachable.ts';
import { allValues, firstValue, type RequestHead } from '../../core/wire.ts';
import { guard } from '../../http/guard.ts';
import type { ProblemCode } from '../../problems/registry.ts';
import { guardLimits, reliedOn } from '../../snapshot.ts';
import type { DescribedRequest } from './described-request.ts';

/** What serving would make of a request, by the functions that serve: guard, plan, key, fingerprint, decide. */

export type Explanation =
  | {
      readonly kind: 'refused';
      readonly route: string | null;
      readonly requestClass: RequestClass | null;
      readonly code: ProblemCode;
      readonly detail: string;
      /** In whose words; null: as docs/problems.md has it. */
      readonly dialect: DialectPolicy | null;
    }
  | { readonly kind: 'reserved' }
  | {
      readonly kind: 'bypassed';
      readonly policy: RoutePolicy;
      readonly requestClass: RequestClass;
      readonly why: Extract<Planned, { kind: 'bypass' }>['why'] | 'other-message';
      readonly locks: LockResources | null;
    }
  | {
      readonly kind: 'sequenced';
      readonly policy: RoutePolicy;
      readonly requestClass: RequestClass;
      readonly ids: SequenceIds;
      readonly identity: Omit<Identity, 'key' | 'source'>;
    }
  | {
      readonly kind: 'keyed';
      readonly policy: RoutePolicy;
      readonly requestClass: RequestClass;
      readonly identity: Identity;
      readonly cases: readonly Case[];
      /** Null: its client waits for the answer. */
      readonly task: TaskWish | null;
      /** What it waits for; null where it takes no lock. */
      readonly locks: LockResources | null;
    };

export type Identity = {
  readonly key: string;
  readonly source: KeySource;
  readonly scope: {
    readonly principal: 'credential' | 'anonymous';
    readonly fields: readonly FieldPresence[];
    /** 12 characters of a digest: enough to see whether two requests have one scope. */
    readonly digest: string;
  };
  readonly fingerprint: {
    readonly digest: string;
    readonly policyId: string;
    readonly fields: readonly FieldPresence[];
    readonly bodyBytes: number;
  };
};

export type FieldPresence = { readonly name: string; readonly state: 'present' | 'absent' };

/** In which situation, and what follows. */
export type Case = { readonly when: CaseName; readonly decision: Decision };
export type CaseName =
  | 'first'
  | 'repeat'
  | 'concurrent'
  | 'other-content'
  | 'outcome-lost'
  | 'changed-policy';

export function explainRequest(
  config: ResolvedConfig,
  { head: received, body }: DescribedRequest,
  wallMs: () => number,
  caller: Caller,
): Explanation {
  const guarded = guard(received, guardLimits(config), reliedOn(config));
  if (guarded.kind === 'refused')
    return {
      kind: 'refused',
      route: null,
      requestClass: null,
      code: guarded.code,
      detail: guarded.detail,
      dialect: null,
    };
  const head = { ...received, target: guarded.target };
  if (reservedRest(config.reserved, guarded.path) !== null) return { kind: 'reserved' };
  const planned = plan(config, head, guarded, wallMs, caller);
  switch (planned.kind) {
    case 'not-found':
      return {
        kind: 'refused',
        route: null,
        requestClass: null,
        code: 'not-found',
        detail: 'No route matches, and the file says unmatched: not-found.',
        dialect: null,
      };
    case 'bypass':
      return {
        kind: 'bypassed',
        policy: planned.policy,
        requestClass: planned.requestClass,
        why: planned.why,
        locks: locksOf(planned, head, body),
      };
    case 'refused':
      return {
        kind: 'refused',
        route: planned.policy.name,
        requestClass: planned.requestClass,
        code: planned.code,
        detail: planned.detail,
        dialect: planned.policy.dialect,
      };
    case 'sequenced': {
      const { policy, requestClass, ids, scope } = planned;
      if (body.byteLength > policy.requestBytesMax) return tooLarge(policy, requestClass);
      return {
        kind: 'sequenced',
        policy,
        requestClass,
        ids,
        identity: identityOf(policy, scope, head, body),
      };
    }
    case 'unidentified':
      throw new Error('a token that was read counts as not read');
    case 'keyed':
      break;
    default:
      return unreachable(planned);
  }
  return explainKeyed(planned, head, body);
}

/** From here on serving has read the body. */
function explainKeyed(
  planned: Extract<Planned, { kind: 'keyed' }>,
  head: RequestHead,
  body: Uint8Array,
): Explanation {
  const { policy, requestClass, scope } = planned;
  const refused = (code: ProblemCode, detail: string): Explanation => {
    return { kind: 'refused', route: policy.name, requestClass, code, detail, dialect: policy.dialect };
  };
  if (body.byteLength > policy.requestBytesMax) return tooLarge(policy, requestClass);
  const rpc = policy.dialect?.jsonRpc ?? null;
  const message = rpc === null ? null : readJsonRpc(rpc, body);
  if (message?.kind === 'refused') return refused('key-invalid', message.detail);
  if (message?.kind === 'other') {
    const locks = locksOf(planned, head, body);
    return { kind: 'bypassed', policy, requestClass, why: 'other-message', locks };
  }
  const inHead = readHeadKey(policy.key, head);
  const contentType = firstValue(head.rawHeaders, 'content-type');
  const found = inHead.kind === 'key' ? inHead : findBodyKey(policy.key, head, body);
  switch (found.kind) {
    case 'invalid':
      return refused('key-invalid', found.detail);
    case 'absent':
      if (policy.key.presence === 'optional')
        return { kind: 'bypassed', policy, requestClass, why: 'no-key', locks: locksOf(planned, head, body) };
      return refused('key-missing', missingKeyDetail(policy));
    case 'key': {
      const confirmed = confirmHeadKey(policy.key, found.key, body, contentType);
      if (confirmed.kind === 'invalid') return refused('key-invalid', confirmed.detail);
      const identity = { key: found.key, source: found.source, ...identityOf(policy, scope, head, body) };
      const cases = casesOf(policy, identity.fingerprint.digest);
      const task = policy.task === null ? null : taskWish(policy.task, head.rawHeaders);
      return {
        kind: 'keyed',
        policy,
        requestClass,
        identity,
        cases,
        task,
        locks: locksOf(planned, head, body),
      };
    }
    default:
      return unreachable(found);
  }
}

function locksOf(
  { policy, requestClass }: { readonly policy: RoutePolicy; readonly requestClass: RequestClass },
  head: RequestHead,
  body: Uint8Array,
): LockResources | null {
  const lock = lockOf(policy, requestClass);
  return lock === null ? null : lockResources(lock, head, body);
}

function tooLarge(policy: RoutePolicy, requestClass: RequestClass): Explanation {
  const detail = `The body is larger than the ${policy.requestBytesMax} bytes this route takes.`;
  const { name: route, dialect } = policy;
  return { kind: 'refused', route, requestClass, code: 'request-too-large', detail, dialect };
}

function identityOf(
  policy: RoutePolicy,
  scope: Uint8Array,
  head: RequestHead,
  body: Uint8Array,
): Omit<Identity, 'key' | 'source'> {
  const presence = (names: readonly string[]): readonly FieldPresence[] =>
    names.map((name) => {
      const values = allValues(head.rawHeaders, name);
      return { name, state: values.some((value) => value !== '') ? 'present' : 'absent' };
    });
  const scopeFields = [
    ...presence(policy.scope.headers),
    ...(policy.scope.cookies ?? []).map((name): FieldPresence => {
      const isThere = cookieValues(head.rawHeaders, name).some((value) => value !== '');
      return { name: `cookie ${name}`, state: isThere ? 'present' : 'absent' };
    }),
    ...(policy.scope.jwt?.claims ?? []).map((name): FieldPresence => {
      return { name: `claim ${name}`, state: scope.byteLength === 1 ? 'absent' : 'present' };
    }),
    ...(policy.scope.certificate === undefined
      ? []
      : [{ name: 'client certificate', state: scope.byteLength === 1 ? 'absent' : 'present' } as const]),
  ];
  return {
    scope: {
      principal: scopeFields.some((field) => field.state === 'present') ? 'credential' : 'anonymous',
      fields: scopeFields,
      digest: createHash('sha256').update(scope).digest('base64url').slice(0, 12),
    },
    fingerprint: {
      digest: fingerprint(policy.fingerprint, head, body),
      policyId: policy.fingerprint.id,
      fields: presence(policy.fingerprint.headers),
      bodyBytes: body.byteLength,
    },
  };
}

const OTHER_DIGEST = '(other content)';
const OTHER_POLICY = '(other policy)';

/** The store's possible answers, put to the decision that serves. */
function casesOf(policy: RoutePolicy, digest: string): readonly Case[] {
  const known = { fingerprint: digest, policyId: policy.fingerprint.id, token: 1 };
  const response = {
    kind: 'full',
    status: 200,
    rawHeaders: [],
    body: new Uint8Array(),
    receivedAtMs: 0,
  } as const;
  const results: readonly (readonly [CaseName, ClaimResult])[] = [
    ['first', { kind: 'claimed', token: 1, attempt: 1 }],
    ['repeat', { kind: 'completed', ...known, response }],
    ['concurrent', { kind: 'inFlight', ...known, leaseLeftMs: policy.leaseMs }],
    ['other-content', { kind: 'completed', ...known, fingerprint: OTHER_DIGEST, response }],
    ['outcome-lost', { kind: 'unknown', ...known, reason: 'failed', unknownForMs: policy.quietMs }],
    ['changed-policy', { kind: 'completed', ...known, policyId: OTHER_POLICY, response }],
  ];
  return results.map(([when, result]) => ({ when, decision: decide(result, digest, policy) }));
}
