import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Loaded, loadConfigText } from '../../src/config/load.ts';

/** A file, and beside it either what it resolves to (an excerpt) or its exact faults. Its first line may set variables. */

const FOLDER = join(import.meta.dirname, 'golden');
const files = readdirSync(FOLDER);
const cases = files.filter((file) => file.endsWith('.yaml')).map((file) => file.slice(0, -'.yaml'.length));

function loadCase(name: string): Loaded {
  const text = readFileSync(join(FOLDER, `${name}.yaml`), 'utf8');
  return loadConfigText(text, `${name}.yaml`, envOf(text));
}

function envOf(text: string): Readonly<Record<string, string>> {
  const line = /^# env: (.*)$/m.exec(text)?.[1] ?? '';
  return Object.fromEntries(
    line
      .split(' ')
      .filter((pair) => pair !== '')
      .map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  );
}

function textsOf(loaded: Loaded): readonly string[] {
  return loaded.kind === 'faults' ? loaded.faults.map((fault) => fault.text) : [];
}

describe('a configuration file', () => {
  it('is judged one way in every golden case', () => {
    const judged = cases.map(
      (name) => [`${name}.expected.json`, `${name}.faults.txt`].filter((file) => files.includes(file)).length,
    );

    expect(cases.filter((_, index) => judged[index] !== 1)).toEqual([]);
  });

  it.each(cases.filter((name) => files.includes(`${name}.expected.json`)))(
    '%s resolves to what is expected',
    (name) => {
      const loaded = loadCase(name);

      expect(textsOf(loaded)).toEqual([]);
      expect(loaded.kind === 'ok' ? loaded.config : null).toMatchObject(
        JSON.parse(readFileSync(join(FOLDER, `${name}.expected.json`), 'utf8')),
      );
    },
  );

  it.each(cases.filter((name) => files.includes(`${name}.faults.txt`)))(
    '%s is refused with exactly these faults',
    (name) => {
      const loaded = loadCase(name);

      expect(`${textsOf(loaded).join('\n')}\n`).toBe(
        readFileSync(join(FOLDER, `${name}.faults.txt`), 'utf8'),
      );
    },
  );
});
