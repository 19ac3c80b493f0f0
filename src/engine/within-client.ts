import { originOf } from '../core/client-address.ts';
import type { Incoming } from '../http/seam.ts';
import type { Clients } from './clients.ts';
import { refuse } from './respond.ts';
import type { Ending, Engine, Snapshot } from './types.ts';

/** A request counts for its client before anything is read of it, whatever it turns out to be. */
export async function withinClient(
  clients: Clients,
  engine: Engine,
  snapshot: Snapshot,
  incoming: Incoming,
  handle: (engine: Engine, snapshot: Snapshot, incoming: Incoming) => Promise<Ending>,
): Promise<Ending> {
  const { peer, head, reply } = incoming;
  const name = originOf(peer.address, head.rawHeaders, snapshot.forwardingOf);
  if (name === null) return await handle(engine, snapshot, incoming);
  const leave = clients.enter(name);
  if (leave === null) {
    engine.metrics.overloaded('client_in_flight');
    return refuse(engine, snapshot, incoming, 'overloaded');
  }
  try {
    return await handle(engine, snapshot, incoming);
  } finally {
    reply.onClosed(leave);
  }
}
