import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { OBSERVED_ENDS, observedEnd } from '../../src/core/observed.ts';

const TEXT = readFileSync(join(import.meta.dirname, '../../docs/adopting.md'), 'utf8');

it('the table of what is observed has every end with its meaning, in order, and no other', () => {
  const from = TEXT.indexOf('| end |');
  const table = TEXT.slice(from, TEXT.indexOf('\n\n', from));

  const rows = [...table.matchAll(/^\| `([\w-]+)` \| (.+) \|$/gm)].map(([, end, meaning]) => [end, meaning]);

  expect(rows).toEqual(OBSERVED_ENDS.map((end) => [end, observedEnd(end).meaning]));
});
