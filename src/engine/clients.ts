/** Bounds what one client address may take of this process. */
export type Clients = {
  /** Null: it has as many connections as it may. `name`: of core/client-address.ts. */
  connect(name: string): Leave | null;
  /** The same for requests in flight. */
  enter(name: string): Leave | null;
};

/** To be called once. */
export type Leave = () => void;

export type ClientLimits = {
  /** Null: not bounded. */
  readonly connectionsMax: number | null;
  readonly inFlightMax: number | null;
};

/** What is counted is bounded for all clients together, and so is what is remembered: nothing stays of who has left. */
export function createClients({ connectionsMax, inFlightMax }: ClientLimits): Clients {
  const connections = new Map<string, number>();
  const inFlight = new Map<string, number>();
  return {
    connect: (name) => take(connections, name, connectionsMax),
    enter: (name) => take(inFlight, name, inFlightMax),
  };
}

const NOTHING: Leave = () => undefined;

function take(counts: Map<string, number>, name: string, most: number | null): Leave | null {
  if (most === null) return NOTHING;
  const count = counts.get(name) ?? 0;
  if (count >= most) return null;
  counts.set(name, count + 1);
  return () => {
    const left = (counts.get(name) ?? 1) - 1;
    if (left === 0) counts.delete(name);
    else counts.set(name, left);
  };
}
