import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createOwners } from '../../src/engine/owner.ts';

describe('owners of claims', () => {
  it('are 128 random bits each, and never the same twice, over many refills', () => {
    const next = createOwners(randomBytes);

    const owners = Array.from({ length: 1_000 }, next);

    expect(new Set(owners).size).toBe(1_000);
    expect(owners.every((owner) => /^[0-9a-f]{32}$/.test(owner))).toBe(true);
  });

  it('use every random byte once', () => {
    let fetched = 0;
    const next = createOwners((bytes) => {
      fetched += bytes;
      return Buffer.alloc(bytes, fetched & 0xff);
    });

    for (let i = 0; i < 257; i++) next();

    expect(fetched).toBe(2 * 256 * 16);
  });
});
