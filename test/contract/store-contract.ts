import { afterEach, beforeEach, describe } from 'vitest';
import type { OpenHarness, StoreHarness } from './harness.ts';
import { administration } from './suite-administration.ts';
import { cells } from './suite-cells.ts';
import { fences } from './suite-fences.ts';
import { hostileHolders } from './suite-hostile.ts';
import { lifecycle } from './suite-lifecycle.ts';
import { notes } from './suite-notes.ts';
import { replayFidelity } from './suite-replay.ts';
import { resealing } from './suite-reseal.ts';
import { retention } from './suite-retention.ts';
import { waiting } from './suite-waiting.ts';

/** A store is what passes this (design section 6); hostile cases first. */
export function storeContract(name: string, openHarness: OpenHarness): void {
  describe(`the ${name} store keeps the contract`, () => {
    let open: StoreHarness | null = null;

    beforeEach(async () => {
      open = await openHarness();
    });

    afterEach(async () => {
      await open?.cleanup();
      open = null;
    });

    const harness = (): StoreHarness => {
      if (open === null) throw new Error('the harness is not open');
      return open;
    };

    hostileHolders(harness);
    fences(harness);
    lifecycle(harness);
    retention(harness);
    notes(harness);
    replayFidelity(harness);
    administration(harness);
    resealing(harness);
    waiting(harness);
    cells(harness);
  });
}
