import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const FOLDER = join(import.meta.dirname, '../../docs/decisions');
const names = readdirSync(FOLDER).sort();

describe('the decisions', () => {
  it('have a number each', () => {
    const numbers = names.map((name) => /^(\d{4})-[a-z0-9-]+\.md$/.exec(name)?.[1] ?? name);

    expect(numbers).toEqual([...new Set(numbers)]);
    expect(numbers.length).toBeGreaterThan(10);
  });

  it.each(names)('%s says its own number in its title', (name) => {
    const [title = ''] = readFileSync(join(FOLDER, name), 'utf8').split('\n');

    expect(title).toMatch(new RegExp(`^# ${name.slice(0, 4)}[:. ]`));
  });
});
