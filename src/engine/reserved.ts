import { callerOf } from '../core/caller.ts';
import { reservedName } from '../core/reserved.ts';
import type { RequestHead } from '../core/wire.ts';
import type { Incoming } from '../http/seam.ts';
import { discovery } from './discovery.ts';
import { identify } from './identify.ts';
import { PRODUCERS } from './producers.ts';
import { answerOwn, NOTHING_HERE, type Resource } from './resource.ts';
import { refuse } from './respond.ts';
import { taskStatus } from './task-status.ts';
import { issueTicket } from './tickets.ts';
import type { Ending, Engine, Snapshot } from './types.ts';

/** The one table of resources. */
const RESOURCES: readonly Resource[] = [
  { name: '', methods: ['GET'], answer: discovery },
  { name: 'routes', methods: ['GET'], answer: discovery },
  { name: 'tasks', methods: ['GET'], answer: taskStatus },
  PRODUCERS,
  { name: 'tickets', methods: ['POST'], answer: issueTicket },
];

/** `rest`: what follows the prefix. */
export async function answerReserved(
  engine: Engine,
  snapshot: Snapshot,
  incoming: Incoming,
  request: { readonly head: RequestHead; readonly host: string; readonly rest: string },
): Promise<Ending> {
  const { name, tail } = reservedName(request.rest);
  const resource = RESOURCES.find((one) => one.name === name);
  if (resource === undefined) return refuse(engine, snapshot, incoming, 'not-found', NOTHING_HERE);
  const { method } = request.head;
  const allowed = resource.methods.flatMap((one) => (one === 'GET' ? ['GET', 'HEAD'] : [one]));
  const allow = ['Allow', [...allowed, 'OPTIONS'].join(', ')];
  if (method === 'OPTIONS') return answerOwn(engine, incoming, 204, allow, null);
  if (!allowed.includes(method))
    return refuse(engine, snapshot, incoming, 'method-not-allowed', undefined, allow);
  const { head, host } = request;
  const stranger = callerOf(incoming.peer);
  // Which route it is about is known only to the resource, so a token is read for all of them.
  const caller = snapshot.tokens === null ? stranger : await identify(snapshot, head, stranger);
  return await resource.answer({ engine, snapshot, incoming, head, caller, host, tail });
}
