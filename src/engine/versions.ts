import type { Cell, CellKey } from '../core/cell.ts';
import type { Conditions } from '../core/precondition.ts';
import type { WriteResult } from '../core/record.ts';
import {
  decideWrite,
  type Effect,
  type KeyClaim,
  mended,
  opaqueOf,
  renewed,
  resolvedBy,
  type SettleStep,
  type Standing,
  settleStep,
  standingOf,
  type Versioned,
} from '../core/resource-version.ts';
import { decodeVersion, encodeVersion } from '../core/resource-version-value.ts';
import { unreachable } from '../core/unreachable.ts';
import { type Store, StoreUnavailable } from '../store/contract.ts';
import { createKeepAlive, type Hold } from '../store/keep-alive.ts';
import type { Ticker } from '../store/ticker.ts';
import type { Settler } from './settler.ts';
import type { Sightings } from './sightings.ts';
import type { Waiters } from './types.ts';
import { type Wake, wakeWithin } from './wake.ts';

/** The versions of resources whose backend has none, kept in cells (docs/decisions/0016-resource-versions.md). */
export type Versions = {
  /** What the ETag of a read that goes out after this says; null while a write is in flight or in doubt. */
  forRead(cellKeys: readonly CellKey[], retainMs: number): Promise<string | null>;
  /** Lets one write out, if its conditions hold; waits for another that is in flight. */
  reserve(wanted: WantedWrite): Promise<Reserved>;
  stop(): void;
};

export type WantedWrite = {
  /** Under each secret, current first. */
  readonly cellKeys: readonly CellKey[];
  readonly conditions: Conditions;
  readonly claim: KeyClaim | null;
  readonly leaseMs: number;
  readonly quietMs: number;
  readonly retainMs: number;
  readonly waitMs: number;
  readonly settleWaitMs: number;
  /** The version was given to another meanwhile: an incident. */
  readonly onLost: () => void;
};

export type Reserved =
  | { readonly kind: 'reserved'; readonly reservation: Reservation }
  | { readonly kind: 'stale' }
  | { readonly kind: 'busy' }
  | { readonly kind: 'unsure'; readonly leftMs: number }
  | { readonly kind: 'down'; readonly error: StoreUnavailable };

/** A write that may go out. It is renewed until it is settled, and in doubt if it never is. */
export type Reservation = {
  /** The ETag of the resource once the write is made. */
  readonly opaque: string;
  leaseLeftMs(): number;
  settle(effect: Effect): Promise<WriteResult | 'pending'>;
  /** Renews no more, and leaves the write in doubt. Does nothing to one that is settled. */
  abandon(): void;
};

export type VersionsOptions = {
  readonly store: Pick<Store, 'cells' | 'inspect'>;
  readonly settler: Pick<Settler, 'settle'>;
  readonly waiters: Waiters;
  readonly sightings: Sightings;
  readonly monotonicMs: () => number;
  readonly newOwner: () => string;
  readonly ticker?: Ticker;
  readonly onError: (error: unknown) => void;
};

/** Of writes that wait for one resource. */
const WAITERS_MAX = 100;
/** A wake-up is a hint: the cell is read again at least this often. */
const POLL_MS = 250;
/** A race that is lost so often means that the resource is busy. */
const RACES_MAX = 20;

/** A write goes on though its client has left. */
const NEVER = new AbortController().signal;

type Held = {
  readonly cellKey: CellKey;
  readonly owner: string;
  readonly wanted: WantedWrite;
  version: number;
  state: Versioned;
};

// tidy: the steps share the options, the renewals and nothing else.
export function createVersions(options: VersionsOptions): Versions {
  const { store, settler, waiters, sightings, monotonicMs, newOwner, onError } = options;
  const { cells } = store;
  const ticker = options.ticker === undefined ? {} : { ticker: options.ticker };
  const keepAlive = createKeepAlive<Held>({ renew, monotonicMs, onError, ...ticker });

  /**
   * While secrets are rotated, a version made under another one is still the version. Of two, made at the very same
   * moment by replicas in the middle of it, all go on with the same one.
   */
  async function locate(cellKeys: readonly CellKey[]): Promise<CellKey> {
    const [current = ''] = cellKeys;
    if (cellKeys.length === 1) return current;
    for (const made of cellKeys.toSorted()) if ((await cells.read(made)).version !== 0) return made;
    return current;
  }

  async function look(cellKey: CellKey): Promise<Looked> {
    const cell = await cells.read(cellKey);
    const read = decoded(cell);
    const standing = standingOf(read, cell.nowMs, sightings.watchedMs(cellKey, read.pending));
    if (standing.kind !== 'unsure' || read.pending?.claim == null) return { cell, state: read, standing };
    const resolved = resolvedBy(read, await store.inspect(read.pending.claim.recordKey));
    if (resolved === null) return { cell, state: read, standing };
    return { cell, state: resolved, standing: standingOf(resolved, cell.nowMs, 0) };
  }

  async function forRead(cellKeys: readonly CellKey[], retainMs: number): Promise<string | null> {
    const cellKey = await locate(cellKeys);
    const { cell, standing } = await look(cellKey);
    if (standing.kind !== 'settled') return null;
    const { version, existence } = standing;
    // What was found out is written down: nobody who looks later may find anything else.
    if (decoded(cell).pending !== null) {
      const next: Versioned = { version, existence, pending: null };
      const written = await write(cellKey, cell.version, next, retainMs, 'waiters');
      if (written.kind === 'changed') return null;
    }
    return opaqueOf(version, cell.nowMs);
  }

  function write(
    cellKey: CellKey,
    expectedVersion: number,
    next: Versioned,
    lifeMs: number,
    wakes: 'waiters' | 'nobody',
  ) {
    return cells.write(cellKey, { expectedVersion, value: encodeVersion(next), lifeMs, wakes });
  }

  async function reserve(wanted: WantedWrite): Promise<Reserved> {
    const owner = newOwner();
    let waitsFor: CellKey | null = null;
    try {
      const cellKey = await locate(wanted.cellKeys);
      const endMs = monotonicMs() + wanted.waitMs;
      for (let races = 0; races < RACES_MAX; ) {
        // Subscribed first, read second: a settlement in between is seen by the read.
        const wake = waitsFor === null ? null : wakeUp(cellKey, endMs - monotonicMs());
        const tried = await tryReserve(cellKey, owner, wanted);
        if (tried.kind === 'wait' && monotonicMs() < endMs) {
          if (waitsFor === null && waiters.enter(cellKey, WAITERS_MAX) !== 'entered') return { kind: 'busy' };
          waitsFor = cellKey;
          await wake?.promise;
          continue;
        }
        wake?.cancel();
        if (tried.kind === 'wait') return { kind: 'busy' };
        if (tried.kind !== 'raced') return tried;
        races += 1;
      }
      return { kind: 'busy' };
    } catch (error) {
      if (error instanceof StoreUnavailable) return { kind: 'down', error };
      throw error;
    } finally {
      if (waitsFor !== null) waiters.leave(waitsFor);
    }
  }

  function wakeUp(cellKey: CellKey, leftMs: number): Wake {
    return wakeWithin(Math.min(POLL_MS, leftMs), NEVER, (signal) => cells.changed(cellKey, signal));
  }

  async function tryReserve(
    cellKey: CellKey,
    owner: string,
    wanted: WantedWrite,
  ): Promise<Reserved | { readonly kind: 'raced' } | { readonly kind: 'wait' }> {
    // Before the reading: the lease counts from the time that was read, and must not be believed to be longer.
    const sentMs = monotonicMs();
    const { cell, state, standing } = await look(cellKey);
    const decision = decideWrite(state, standing, { ...wanted, owner }, cell.nowMs);
    switch (decision.kind) {
      case 'stale':
        return { kind: 'stale' };
      case 'wait':
      case 'unsure': {
        const next = mended(state, cell.nowMs);
        if (next !== null) await write(cellKey, cell.version, next, wanted.retainMs, 'nobody');
        return decision;
      }
      case 'reserve': {
        const held: Held = { cellKey, owner, wanted, version: cell.version, state: decision.next };
        try {
          const written = await write(cellKey, cell.version, decision.next, wanted.retainMs, 'nobody');
          if (written.kind === 'changed') return { kind: 'raced' };
          held.version = written.version;
        } catch (error) {
          // The reply is lost, the reservation may be there: nothing was let out under it, so it is taken back.
          void settle(held, { kind: 'unchanged' }, 0).catch(onError);
          throw error;
        }
        return { kind: 'reserved', reservation: reservationOf(held, sentMs) };
      }
      default:
        return unreachable(decision);
    }
  }

  function reservationOf(held: Held, sentMs: number): Reservation {
    const { wanted } = held;
    const hold: Hold = keepAlive.hold(held, wanted.leaseMs, sentMs, wanted.onLost);
    return {
      opaque: opaqueOf(held.owner, 0),
      leaseLeftMs: () => hold.leaseLeftMs(),
      settle(effect) {
        hold.release();
        return settle(held, effect, wanted.settleWaitMs);
      },
      abandon: () => void hold.release(),
    };
  }

  async function renew(held: Held, leaseMs: number): Promise<WriteResult> {
    const cell = await cells.read(held.cellKey);
    const next = renewed(decoded(cell), held.owner, leaseMs, cell.nowMs);
    if (next === null) return 'lost';
    const written = await write(held.cellKey, cell.version, next, held.wanted.retainMs, 'nobody');
    // Settled, or mended, since it was read: the next tick sees which.
    if (written.kind === 'changed') throw new StoreUnavailable('error', 'the cell changed under a renewal');
    held.version = written.version;
    held.state = next;
    return 'ok';
  }

  function settle(held: Held, effect: Effect, settleWaitMs: number): Promise<WriteResult | 'pending'> {
    const { wanted } = held;
    return settler.settle({
      write: () => writeEffect(held, effect),
      leaseMs: wanted.leaseMs,
      settleWaitMs,
      onLost: wanted.onLost,
      onEnd: () => undefined,
    });
  }

  async function writeEffect(held: Held, effect: Effect): Promise<WriteResult> {
    const { cellKey, owner, wanted } = held;
    // Only a parked write needs the time; the others know what stands there, and are told if it does not.
    let cell: Cell | null = effect.kind === 'parked' ? await cells.read(cellKey) : null;
    for (let races = 0; races < RACES_MAX; races += 1) {
      const state = cell === null ? held.state : decoded(cell);
      const step: SettleStep = settleStep(state, owner, effect, cell?.nowMs ?? 0);
      if (step.kind === 'done') return 'ok';
      if (step.kind === 'lost') return 'lost';
      const expectedVersion = cell === null ? held.version : cell.version;
      const written = await write(cellKey, expectedVersion, step.next, wanted.retainMs, 'waiters');
      if (written.kind === 'written') return 'ok';
      cell = written.cell;
    }
    throw new StoreUnavailable('error', 'the cell changes faster than it is written');
  }

  return { forRead, reserve, stop: () => keepAlive.stop() };
}

type Looked = { readonly cell: Cell; readonly state: Versioned; readonly standing: Standing };

function decoded(cell: Cell): Versioned {
  const read = decodeVersion(cell.value);
  if (read === null) throw new StoreUnavailable('corrupt', 'a cell holds no version of a resource');
  return read;
}
