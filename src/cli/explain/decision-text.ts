import { formatDuration } from '../../config/units.ts';
import type { Decision } from '../../core/decide.ts';
import type { DialectPolicy } from '../../core/dialect.ts';
import type { LockResources } from '../../core/lock-policy.ts';
import type { RoutePolicy, StatusAction } from '../../core/policy.ts';
import { templateText } from '../../core/template.ts';
import { unreachable } from '../../core/unreachable.ts';
import { type ProblemCode, problemType } from '../../problems/registry.ts';
import { statusOf } from './dialect-text.ts';
import type { Case, CaseName } from './explanation.ts';

/** What follows in each situation, in words. */

/** In its dialect a problem may have another status. */
export function problemText(code: ProblemCode, dialect: DialectPolicy | null = null): string {
  return `${statusOf(code, dialect)} ${code}: ${problemType(code).title}`;
}

const CASE_TEXT: Readonly<Record<CaseName, string>> = {
  first: 'first request',
  repeat: 'repeat',
  concurrent: 'repeat while in flight',
  'other-content': 'same key, other content',
  'outcome-lost': 'repeat, outcome unknown',
  'changed-policy': 'repeat after a change of fingerprint',
};

export function caseRow({ when, decision }: Case, policy: RoutePolicy): readonly [string, string] {
  return [CASE_TEXT[when], decisionText(decision, policy)];
}

function decisionText(decision: Decision, policy: RoutePolicy): string {
  switch (decision.kind) {
    case 'execute':
      return `executed: goes to the backend once, under a lease of ${formatDuration(policy.leaseMs)} that is renewed`;
    case 'replay':
    case 'unseal':
      return `the first answer again, byte for byte, for ${formatDuration(policy.retainMs)} (Idempotency-Status: replayed)`;
    case 'join':
      return `waits up to ${formatDuration(decision.waitMs)} for the first answer (at most ${decision.waitersMax} wait), else ${problemText('in-flight', policy.dialect)}`;
    case 'reopen':
      return `executed again, once the outcome has been unknown for ${formatDuration(policy.quietMs)} (onUnknown: retry); before that ${problemText('outcome-unknown', policy.dialect)}`;
    case 'probe':
      return `${probeText(policy)}; while it is unsure ${unsureText(policy)}`;
    case 'in-flight':
      return problemText('in-flight', policy.dialect);
    case 'mismatch':
      return problemText('key-reused', policy.dialect);
    case 'policy-changed':
      return problemText('policy-changed', policy.dialect);
    case 'outcome-unknown':
      return `${problemText('outcome-unknown', policy.dialect)}; never executed again by itself`;
    case 'response-not-stored':
      return problemText('response-not-stored', policy.dialect);
    default:
      return unreachable(decision);
  }
}

function probeText({ reconcile, quietMs }: RoutePolicy): string {
  if (reconcile === null) return '';
  const { method, path, timeoutMs } = reconcile.request;
  const verdicts = new Set(reconcile.rules.map(({ verdict }) => verdict.kind));
  const completed = verdicts.has('completed') ? '; completed: the answer is replayed at once' : '';
  const released = verdicts.has('did-not-happen')
    ? `; did not happen: executed, once the outcome has been unknown for ${formatDuration(quietMs)}`
    : '';
  return `asks the backend (${method} ${templateText(path)}, at most ${formatDuration(timeoutMs)})${completed}${released}`;
}

function unsureText(policy: RoutePolicy): string {
  return policy.onUnknown === 'retry'
    ? decisionText({ kind: 'reopen', token: 0 }, policy)
    : problemText('outcome-unknown', policy.dialect);
}

/** What concerns who repeats, where the route says something of it. */
export function callerRows({
  rotated,
  replayAuthorization,
  dialect,
}: RoutePolicy): readonly (readonly [string, string])[] {
  const rows: (readonly [string, string])[] = [];
  if (rotated === 'refuse')
    rows.push(['the same from another caller', problemText('credential-rotated', dialect)]);
  if (replayAuthorization !== null)
    rows.push([
      'before a repeat is told anything',
      replayAuthorization.kind === 'jwt'
        ? `its token is verified, else ${problemText('credential-invalid', dialect)}`
        : `the backend is asked (${replayAuthorization.method} ${replayAuthorization.target}, at most ${formatDuration(replayAuthorization.timeoutMs)}), else ${problemText('credential-invalid', dialect)}, or ${problemText('replay-denied', dialect)}`,
    ]);
  return rows;
}

export function lockRows(
  { lock, dialect }: RoutePolicy,
  locks: LockResources | null,
): readonly (readonly [string, string])[] {
  if (lock === null || locks === null) return [];
  if (locks.kind === 'missing')
    return [['lock', `${problemText('resource-unnamed', dialect)}. ${locks.detail}`]];
  const queue =
    lock.waitMs === 0
      ? 'nobody waits'
      : `waits up to ${formatDuration(lock.waitMs)} among at most ${lock.queueMax}`;
  return [
    [
      'lock',
      `executed one at a time for ${locks.resources.join(' and ')}: ${queue}, else ${problemText('locked', dialect)}; under a lease of ${formatDuration(lock.leaseMs)} that is renewed`,
    ],
  ];
}

export function storeDownRow(policy: RoutePolicy): readonly [string, string] {
  const { onStoreDown } = policy;
  switch (onStoreDown) {
    case 'refuse':
      return ['store unavailable', problemText('store-unavailable', policy.dialect)];
    case 'forward':
      return ['store unavailable', 'passed on without protection (Idempotency-Status: unprotected)'];
    default:
      return unreachable(onStoreDown);
  }
}

export function statusRows(policy: RoutePolicy): readonly (readonly [string, string])[] {
  const rows: readonly (readonly [StatusAction, string])[] = [
    ['complete', 'kept and replayed'],
    ['release', 'not executed, may be tried again'],
    ['park', 'outcome unknown'],
  ];
  return rows.map(([action, text]) => [text, statusRanges(policy, action)]);
}

/** `200-400, 402`, over the codes that a response can have. */
function statusRanges(policy: RoutePolicy, action: StatusAction): string {
  const ranges: string[] = [];
  let from = -1;
  for (let status = 200; status <= 600; status++) {
    const fits = status < 600 && policy.status.actions[status] === action;
    if (fits && from === -1) from = status;
    if (fits || from === -1) continue;
    ranges.push(from === status - 1 ? String(from) : `${from}-${status - 1}`);
    from = -1;
  }
  return ranges.length === 0 ? '(no status)' : ranges.join(', ');
}
