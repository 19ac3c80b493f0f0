import { globSync } from 'node:fs';
import { basename, join } from 'node:path';
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { type FaultScript, missedFigures, newSeed, runFault } from './fault-script.ts';

/** The quick form of every fault script. ONCEWARD_SEED repeats a run; the seed stands in the output. */

const files = globSync(join(import.meta.dirname, '*.fault.ts')).sort();

describe('every fault script holds its promise in its quick form', () => {
  it.each(files.map((file) => ({ file, name: basename(file, '.fault.ts') })))(
    '$name',
    async ({ file, name }) => {
      const { FAULT }: { FAULT: FaultScript } = await import(file);
      const seed = Number(process.env.ONCEWARD_SEED ?? newSeed());

      const report = await runFault(FAULT, {
        form: 'quick',
        seed,
        say: (line) => process.stdout.write(`${line}\n`),
      });

      expect(FAULT.name).toBe(name);
      expect(report.figures.length).toBeGreaterThan(0);
      expect(missedFigures(report), `seed ${seed}`).toEqual([]);
      expect(report.seconds * 1000, 'the quick form is quick').toBeLessThan(FAULT.quickMsMax * 3);
    },
    300_000,
  );
});
