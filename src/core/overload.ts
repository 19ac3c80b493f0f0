/** What there may be too much of: why a request gets 429, and label of the metric. */
export const OVERLOADS = [
  /** Requests in flight, `limits.inFlight`. */
  'in_flight',
  /** Bodies in memory, `limits.buffer`. */
  'buffer',
  /** The memory of the process, `limits.memory`. */
  'memory',
  /** Requests waiting for the response of another, `limits.joiners`. */
  'joiners',
  /** Executions in the background, `limits.tasks`. */
  'tasks',
  /** Requests in flight of one client address, `limits.client.inFlight`. */
  'client_in_flight',
  /** Keyed requests in flight of one principal, `limits.principal.inFlight`. */
  'principal_in_flight',
  /** New keys of one principal, `limits.principal.newKeys`. */
  'principal_new_keys',
  /** Tickets of one principal, `ticket.rate`. */
  'principal_tickets',
] as const;
export type Overload = (typeof OVERLOADS)[number];

/**
 * How near the process is to the end of its memory. `refuse`: no new bodies are taken in. `stop`: no new connections
 * either, and nothing that would be held.
 */
export type Pressure = 'none' | 'refuse' | 'stop';

export type PressureLimits = { readonly refuseShare: number; readonly stopShare: number };

/** A level is left only this far below where it was entered, or it would flicker with every collection. */
const HYSTERESIS_SHARE = 0.05;

/** `share`: of what the memory may be, used by now. */
export function nextPressure(before: Pressure, share: number, limits: PressureLimits): Pressure {
  const stays = (level: Pressure): number => (before === level ? HYSTERESIS_SHARE : 0);
  if (share >= limits.stopShare - stays('stop')) return 'stop';
  const refuseStays = before === 'none' ? 0 : HYSTERESIS_SHARE;
  return share >= limits.refuseShare - refuseStays ? 'refuse' : 'none';
}

/** What a process has of its memory, in bytes. */
export type MemoryUse = {
  readonly heapUsedBytes: number;
  readonly heapLimitBytes: number;
  /** Null where nothing bounds the process from outside. */
  readonly outer: {
    /** Of all processes within the bound together, without what the kernel can take back, such as a mapped file. */
    readonly usedBytes: number;
    readonly limitBytes: number;
    /** Of this process: what is resident, and what of it JavaScript still refers to. */
    readonly ownBytes: number;
    readonly liveBytes: number;
  } | null;
};

/** What an allocator keeps of freed memory is used again by the next body: beyond this it is no pressure. */
const SLACK_FACTOR = 1.5;
const SLACK_BYTES = 64 * 1024 * 1024;

/** The fuller of heap and process. */
export function usedShare({ heapUsedBytes, heapLimitBytes, outer }: MemoryUse): number {
  const heap = heapUsedBytes / heapLimitBytes;
  if (outer === null) return heap;
  // Freed memory that was never given back would otherwise keep the process refusing for ever.
  const inUseBytes = Math.min(outer.ownBytes, outer.liveBytes * SLACK_FACTOR + SLACK_BYTES);
  const othersBytes = Math.max(0, outer.usedBytes - outer.ownBytes);
  return Math.max(heap, (othersBytes + inUseBytes) / outer.limitBytes);
}
