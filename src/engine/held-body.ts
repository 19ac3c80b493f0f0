import type { ByteBudget } from '../http/seam.ts';

/** A request body in memory, which can be let go of before the request is over. */
export type HeldBody = {
  /** Empty after drop() and handOver(). */
  bytes(): Uint8Array;
  /** Gives the memory back; safe to call twice. */
  drop(): void;
  /** To who outlives the request, and then has to drop it. */
  handOver(): HeldBody;
};

const EMPTY = new Uint8Array(0);

export function holdBody(body: Uint8Array, budget: ByteBudget): HeldBody {
  let held = body;
  return {
    bytes: () => held,
    drop() {
      budget.give(held.byteLength);
      held = EMPTY;
    },
    handOver() {
      const handed = held;
      held = EMPTY;
      return holdBody(handed, budget);
    },
  };
}
