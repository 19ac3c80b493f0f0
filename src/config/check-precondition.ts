import { classifyMethod } from '../core/classify.ts';
import { type Finding, fault, warning } from './check-top.ts';
import type { Route } from './schema-policy.ts';
import type { Precondition } from './schema-precondition.ts';
import type { ConfigPath } from './tree.ts';

/** What one field of `precondition` alone cannot tell. */

type Section = Exclude<Precondition, 'off'>;
type Place = (...path: ConfigPath) => ConfigPath;

export function checkPrecondition({ methods }: Section, at: Place): readonly Finding[] {
  const found: Finding[] = [];
  if (methods.length === 0) found.push(fault('names no method, so that nothing is demanded', at('methods')));
  for (const [index, name] of methods.entries()) {
    if (classifyMethod(name) === 'safe')
      found.push(fault('is a safe method, which writes nothing', at('methods', index)));
  }
  return found;
}

/** A demand that no request of its route can meet is a slip. */
export function checkPreconditionOfRoute(
  { match, precondition }: Pick<Route, 'match' | 'precondition'>,
  around: ConfigPath,
): readonly Finding[] {
  if (precondition === 'off' || match.methods.length === 0) return [];
  return precondition.methods.some((name) => match.methods.includes(name))
    ? []
    : [
        warning(
          'has no effect: none of its methods is among match.methods of the route',
          [...around, 'precondition', 'methods'],
          [...around, 'precondition'],
        ),
      ];
}
