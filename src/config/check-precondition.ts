import { classifyMethod } from '../core/classify.ts';
import { covers } from '../core/resource.ts';
import { type Finding, fault, warning } from './check-top.ts';
import type { Policy, Route } from './schema-policy.ts';
import type { Precondition } from './schema-precondition.ts';
import type { ConfigPath } from './tree.ts';

/** What one field of `precondition` alone cannot tell. */

type Section = Exclude<Precondition, 'off'>;
type Place = (...path: ConfigPath) => ConfigPath;

export function checkPrecondition(policy: Policy, around: ConfigPath): readonly Finding[] {
  const { precondition } = policy;
  if (precondition === 'off') return [];
  const at: Place = (...path) => [...around, 'precondition', ...path];
  return [
    ...checkMethods(precondition, at),
    ...(precondition.versions === 'store'
      ? checkKept(precondition, policy, around, at)
      : checkPassed(precondition, at)),
  ];
}

function checkMethods({ methods }: Section, at: Place): readonly Finding[] {
  const found: Finding[] = [];
  if (methods.length === 0) found.push(fault('names no method that writes', at('methods')));
  for (const [index, name] of methods.entries()) {
    if (classifyMethod(name) === 'safe')
      found.push(fault('is a safe method, which writes nothing', at('methods', index)));
  }
  return found;
}

function checkPassed({ require, resource }: Section, at: Place): readonly Finding[] {
  const found: Finding[] = [];
  if (require === 'none')
    found.push(
      fault(
        'has no effect: with versions: backend the demand is all that Onceward adds; set require: if-match, or versions: store',
        at('require'),
      ),
    );
  if (resource !== undefined)
    found.push(fault('has no effect with versions: backend', at('resource'), at('versions')));
  return found;
}

function checkKept(
  { retain }: Section,
  { onStoreDown, lease, quiet, task, lock, sequence }: Policy,
  around: ConfigPath,
  at: Place,
): readonly Finding[] {
  const found: Finding[] = [];
  if (onStoreDown === 'forward')
    found.push(
      fault(
        'does not go together with precondition.versions: store: a write that goes out without the store changes no version, and the next one would overwrite it unseen',
        [...around, 'onStoreDown'],
        at('versions'),
      ),
    );
  if (task !== 'off')
    found.push(
      fault(
        'does not go together with precondition.versions: store: a task would change the resource long after its version was judged',
        [...around, 'task'],
        at('versions'),
      ),
    );
  if (lock !== 'off')
    found.push(
      fault(
        'does not go together with precondition.versions: store, which lets one write to a resource out at a time itself',
        [...around, 'lock'],
        at('versions'),
      ),
    );
  if (sequence !== 'off')
    found.push(
      fault(
        'does not go together with precondition.versions: store: a number whose version is stale could never be passed',
        [...around, 'sequence'],
        at('versions'),
      ),
    );
  if (retain < lease + quiet)
    found.push(
      fault(
        'is shorter than lease and quiet together, for which a lost write may still be made: it would be forgotten meanwhile',
        at('retain'),
        at('versions'),
      ),
    );
  return found;
}

/** A demand that no request of its route can meet is a slip; a resource that some of its paths do not name is a hole. */
export function checkPreconditionOfRoute(
  { match, precondition }: Pick<Route, 'match' | 'precondition'>,
  around: ConfigPath,
): readonly Finding[] {
  if (precondition === 'off') return [];
  const at: Place = (...path) => [...around, 'precondition', ...path];
  const { methods, versions, resource } = precondition;
  const found: Finding[] = [];
  if (match.methods.length > 0 && !methods.some((name) => match.methods.includes(name)))
    found.push(
      warning('has no effect: none of its methods is among match.methods of the route', at('methods'), at()),
    );
  if (versions === 'store' && resource !== undefined && covers(resource, match.path ?? null) === 'no')
    found.push(
      fault(
        'does not fit every path of the route: each of its segments needs one in match.path, a name a "*" or a word, a word the same word',
        at('resource'),
        at(),
      ),
    );
  return found;
}
