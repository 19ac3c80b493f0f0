import { describe, expect, it } from 'vitest';
import { staleFiles } from '../../scripts/generate.ts';

describe('generated files', () => {
  it('are what their tables give', () => {
    expect(staleFiles()).toEqual([]);
  });
});
