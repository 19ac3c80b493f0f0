import { describe, expect, it } from 'vitest';
import { runBinary } from '../support/child-proxy.ts';

/** `onceward demo`: what it claims is counted in its ledger, and its exit code says whether it held. */

const COUNTS = /^ {3}(with|without) Onceward: (\d+) attempts?, (\d+) charges?$/gm;

describe('onceward demo', () => {
  it.each(['lmdb', 'memory'])(
    'charges twice without Onceward and once with it, on the %s store, and exits 0',
    async (store) => {
      const ran = await runBinary(store === 'memory' ? ['demo', '--store', 'memory:'] : ['demo']);

      const counted = [...ran.stdout.matchAll(COUNTS)].map(([, who, attempts, charges]) => ({
        who,
        attempts: Number(attempts),
        charges: Number(charges),
      }));
      expect(counted).toEqual([
        { who: 'without', attempts: 2, charges: 2 },
        { who: 'with', attempts: 2, charges: 1 },
        { who: 'without', attempts: 2, charges: 2 },
        { who: 'with', attempts: 2, charges: 1 },
      ]);
      expect(ran.stdout).toContain('attempt 2: 201 {"charge":3,"amount":4200,"customer":"ada"} (replayed)');
      expect(ran.stdout).toContain('attempt 2: 409 outcome-unknown');
      expect(ran.stdout).toContain('One charge each with Onceward, two without.');
      expect(ran.stderr).toBe('');
      expect(ran.code).toBe(0);
    },
  );

  it('says in one line that a store cannot be used, and exits 1', async () => {
    const ran = await runBinary(['demo', '--store', 'nonsense']);

    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/^onceward demo: .+\n$/);
    expect(ran.stderr).toContain('lmdb:');
  });
});
