import type { ByteBudget } from './seam.ts';

/** A counter with a limit; who takes must give back. */
export function createByteBudget(bytesMax: number): ByteBudget {
  let used = 0;
  return {
    take(bytes) {
      if (used + bytes > bytesMax) return 'full';
      used += bytes;
      return 'ok';
    },
    give(bytes) {
      used -= bytes;
    },
    usedBytes() {
      return used;
    },
  };
}
