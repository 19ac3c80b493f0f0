import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { OUTCOMES } from '../../src/core/outcome.ts';

describe('the outcomes', () => {
  it('are told in the docs, each once, and no other is', () => {
    const text = readFileSync(join(import.meta.dirname, '../../docs/life-of-a-request.md'), 'utf8');
    const told = [...text.matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1]);

    expect(told).toEqual([...OUTCOMES]);
  });
});
