import { METHODS } from '../core/method.ts';
import { checkDialect } from './check-dialect.ts';
import { checkLock } from './check-lock.ts';
import { checkMessage } from './check-message.ts';
import { checkPrecondition, checkPreconditionOfRoute } from './check-precondition.ts';
import { checkReconcile } from './check-reconcile.ts';
import { checkScope } from './check-scope.ts';
import { checkSequence } from './check-sequence.ts';
import { checkTask } from './check-task.ts';
import { checkTicket } from './check-ticket.ts';
import { type Finding, fault, warning } from './check-top.ts';
import { nearestName } from './near.ts';
import { UNMATCHED_NAME } from './resolve.ts';
import { wholeLock } from './resolve-lock.ts';
import type { ResolvedConfig } from './resolved.ts';
import type { Top } from './schema.ts';
import type { Policy, Route } from './schema-policy.ts';
import { shadows } from './shadow.ts';
import type { ConfigPath } from './tree.ts';
import { formatDuration } from './units.ts';

/** What one field alone cannot tell, within a policy and between the routes. */

const UUID_CHARS = 36;
const LONG_LEASE_MS = 300_000;

/** `around`: `defaults`, or `routes` and an index. `top` is null where it is faulty itself. */
export function checkPolicy(policy: Policy | Route, top: Top | null, around: ConfigPath): readonly Finding[] {
  const found: Finding[] = [];
  const at = (...path: ConfigPath): ConfigPath => [...around, ...path];
  const { key } = policy;
  if (policy.retain > policy.unknownRetain) {
    found.push(
      fault(
        'retain is longer than unknownRetain: a request whose outcome is unknown would be forgotten before a completed one; raise unknownRetain',
        at('unknownRetain'),
        at('retain'),
      ),
    );
  }
  if (key.minLength > key.maxLength)
    found.push(fault('key.minLength is above key.maxLength', at('key', 'minLength'), at('key', 'maxLength')));
  else if (key.characters.startsWith('uuid') && (key.minLength > UUID_CHARS || key.maxLength < UUID_CHARS)) {
    found.push(
      fault(
        'a UUID has 36 characters, which minLength and maxLength do not allow',
        at('key', 'maxLength'),
        at('key', 'minLength'),
        at('key', 'characters'),
      ),
    );
  }
  if (key.required && key.sources.length === 0)
    found.push(
      fault('a key is required, but key.sources is empty', at('key', 'required'), at('key', 'sources')),
    );
  found.push(...checkScope(policy, top, at));
  if (policy.lease > LONG_LEASE_MS) {
    found.push(
      warning(
        `after a crash its keys stay in flight for ${formatDuration(policy.lease)}; the lease is renewed while a request lives, so it need not be as long as the request`,
        at('lease'),
      ),
    );
  }
  if (policy.lease > policy.retain)
    found.push(fault('lease is longer than retain', at('lease'), at('retain')));
  if (policy.reconcile !== 'off')
    found.push(
      ...checkReconcile(policy.reconcile, (...path) => at('reconcile', ...path), {
        sameForEveryRepeat: [...policy.scope.headers, ...policy.fingerprint.headers],
      }),
    );
  found.push(...checkPrecondition(policy, around));
  found.push(...checkMessage(policy, at));
  found.push(...checkTask(policy, top, at));
  const locked = wholeLock(policy.lock);
  if (locked !== null)
    found.push(...checkLock(locked, 'match' in policy ? (policy.match.path ?? null) : null, lockAt(at)));
  found.push(...checkSequence(policy, top, at));
  found.push(...checkDialect(policy, top, at));
  found.push(...checkTicket(policy, top, at));
  if (top !== null) found.push(...checkAgainstTop(policy, top, at));
  return found;
}

function lockAt(at: Place): Place {
  return (...path) => at('lock', ...path);
}

type Place = (...path: ConfigPath) => ConfigPath;

function checkAgainstTop(
  policy: Policy,
  top: Top,
  at: (...path: ConfigPath) => ConfigPath,
): readonly Finding[] {
  const found: Finding[] = [];
  // Renewed at a third of the lease: one renewal may run into the deadline, and the next must still come in time.
  if (policy.lease < 3 * top.store.deadline) {
    found.push(
      fault(
        `lease is shorter than three times store.deadline (${formatDuration(top.store.deadline)}): one slow answer of the store would lose the claim of a living request`,
        at('lease'),
        ['store', 'deadline'],
      ),
    );
  }
  const locked = wholeLock(policy.lock);
  if (locked !== null && locked.lease < 3 * top.store.deadline) {
    found.push(
      fault(
        `lock.lease is shorter than three times store.deadline (${formatDuration(top.store.deadline)}): one slow answer of the store would let another in beside a living holder`,
        at('lock', 'lease'),
        ['store', 'deadline'],
      ),
    );
  }
  const largest = Math.max(policy.limits.request, policy.limits.response);
  if (largest > top.limits.buffer) {
    const name = policy.limits.request === largest ? 'request' : 'response';
    found.push(
      fault(
        `limits.${name} is above limits.buffer of the process, which holds the bodies of all requests together`,
        at('limits', name),
        ['limits', 'buffer'],
      ),
    );
  }
  const head = policy.timeouts.head ?? top.upstream.headTimeout;
  const lateAnswer = policy.timeouts.lateAnswer ?? top.upstream.lateAnswer;
  const frees =
    policy.onUnknown === 'retry' ||
    (policy.reconcile !== 'off' &&
      policy.reconcile.rules.some(({ verdict }) => verdict === 'did-not-happen'));
  const repeatable = (during: string): Finding =>
    warning(
      `quiet is shorter than ${during}, for which a backend may still be at work; a repeat could execute while the first request still does`,
      at('quiet'),
      at('onUnknown'),
      at('reconcile'),
    );
  if (frees && policy.quiet < head + lateAnswer)
    found.push(repeatable('headTimeout and lateAnswer together'));
  if (frees && policy.task !== 'off' && policy.quiet < policy.task.timeout)
    found.push(repeatable('task.timeout'));
  return found;
}

/** Methods that nobody has registered are allowed, and are mostly slips. */
export function checkRoute(route: Route, around: ConfigPath): readonly Finding[] {
  const found: Finding[] = [];
  if (route.name === UNMATCHED_NAME)
    found.push(
      fault(`"${UNMATCHED_NAME}" stands for the requests that match no route; take another name`, [
        ...around,
        'name',
      ]),
    );
  found.push(...checkPreconditionOfRoute(route, around));
  for (const [index, name] of route.match.methods.entries()) {
    if (METHODS.some((known) => known.name === name)) continue;
    const near = nearestName(
      name,
      METHODS.map((known) => known.name),
    );
    found.push(
      warning(`is no registered method${near === null ? '' : `; did you mean ${near}?`}`, [
        ...around,
        'match',
        'methods',
        index,
      ]),
    );
  }
  return found;
}

export type PlacedRoute = { readonly route: Route; readonly index: number };

export function checkNames(routes: readonly PlacedRoute[]): readonly Finding[] {
  const found: Finding[] = [];
  const seen = new Map<string, number>();
  for (const { route, index } of routes) {
    const first = seen.get(route.name);
    if (first === undefined) seen.set(route.name, index);
    else found.push(fault(`routes[${first}] has the same name`, ['routes', index, 'name']));
  }
  return found;
}

/** More pairs than this are not worth the start-up time. */
const SHADOW_PAIRS_MAX = 50_000;

export function checkShadowed(routes: ResolvedConfig['routes']): readonly Finding[] {
  const found: Finding[] = [];
  let pairs = 0;
  for (const [index, later] of routes.entries()) {
    pairs += index;
    if (pairs > SHADOW_PAIRS_MAX) break;
    const earlier = routes
      .slice(0, index)
      .find((candidate) => shadows(candidate.match, later.match) === 'yes');
    if (earlier !== undefined) {
      found.push(
        warning(
          `never gets a request: all it matches is taken by the route "${earlier.name}" above it; put it first`,
          ['routes', index, 'match'],
          ['routes', index],
        ),
      );
    }
  }
  return found;
}
