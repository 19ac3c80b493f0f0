import { type Address, addressText } from './address.ts';
import type { Layout } from './discovery.ts';
import type { Server } from './server.ts';
import { slotOf } from './slots.ts';

/** A server without slots may be about to get some (ASK): it is kept for so many checks. */
const IDLE_CHECKS_MAX = 30;
/** The servers that are connected, by address. */
export type Members = {
  at(address: Address, connect: 'soon' | 'not-yet'): Server;
  all(): readonly Server[];
  /** Lets those go that have been out of use for long enough. Called at every check. */
  retire(inUse: readonly Server[]): void;
};

export function createMembers(createServer: (address: Address) => Server): Members {
  const members = new Map<string, { readonly server: Server; idleChecks: number }>();
  return {
    at(address, connect) {
      const name = addressText(address);
      const known = members.get(name);
      if (known !== undefined) return known.server;
      const server = createServer(address);
      members.set(name, { server, idleChecks: 0 });
      if (connect === 'soon') server.openSoon();
      return server;
    },
    all: () => [...members.values()].map(({ server }) => server),
    retire(inUse) {
      for (const [name, member] of members) {
        member.idleChecks = inUse.includes(member.server) ? 0 : member.idleChecks + 1;
        if (member.idleChecks <= IDLE_CHECKS_MAX) continue;
        members.delete(name);
        void member.server.close();
      }
    },
  };
}

/** Which server has a key. */
export type Routes = {
  take(found: Layout, connect: 'soon' | 'not-yet'): void;
  /** MOVED said so; holds until the layout is read again. */
  learn(slot: number, server: Server): void;
  ownerOf(key: string): Server | undefined;
  primaries(): readonly Server[];
  /** The same by address, so that a listing can go on where it was. */
  inOrder(): readonly Server[];
  slotsOf(address: Address): readonly number[] | null;
};

export function createRoutes(members: Members): Routes {
  let layout: Layout = { primaries: [], owners: null };
  let primaries: readonly Server[] = [];
  let moved = new Map<number, Server>();
  return {
    take(found, connect) {
      layout = found;
      moved = new Map();
      primaries = found.primaries.map((address) => members.at(address, connect));
    },
    learn: (slot, server) => moved.set(slot, server),
    ownerOf(key) {
      const { owners } = layout;
      if (owners === null) return primaries[0];
      const slot = slotOf(key);
      return (moved.size === 0 ? undefined : moved.get(slot)) ?? primaries[(owners[slot] ?? 0) - 1];
    },
    primaries: () => primaries,
    inOrder: () => primaries.toSorted((a, b) => (addressText(a.address) < addressText(b.address) ? -1 : 1)),
    slotsOf(address) {
      const { owners, primaries: addresses } = layout;
      if (owners === null) return null;
      const index = addresses.findIndex((known) => addressText(known) === addressText(address)) + 1;
      return index === 0 ? [] : [...owners.keys()].filter((slot) => owners[slot] === index);
    },
  };
}
