import { METHODS } from './method.ts';
import type { RequestClass } from './outcome.ts';
import type { RoutePolicy } from './policy.ts';
import { unreachable } from './unreachable.ts';

const CLASSES: ReadonlyMap<string, RequestClass> = new Map(
  METHODS.map((method) => [
    method.name,
    method.safe === 'safe' ? 'safe' : method.idempotent === 'idempotent' ? 'idempotent' : 'unsafe',
  ]),
);

/** Methods are case-sensitive (RFC 9110 section 9.1); one that is not registered counts as not idempotent. */
export function classifyMethod(method: string): RequestClass {
  return CLASSES.get(method) ?? 'unsafe';
}

/** Whether a key on a request of this class makes a record. */
export function mayBeKeyed(
  requestClass: RequestClass,
  policy: Pick<RoutePolicy, 'idempotentMethods'>,
): 'yes' | 'no' {
  switch (requestClass) {
    case 'safe':
      return 'no';
    case 'idempotent':
      return policy.idempotentMethods === 'keyed' ? 'yes' : 'no';
    case 'unsafe':
      return 'yes';
    default:
      return unreachable(requestClass);
  }
}
