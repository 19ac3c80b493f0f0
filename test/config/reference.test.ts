import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GENERATED_FILES } from '../../scripts/generate-config-docs.ts';
import { configFields } from '../../src/config/json-schema.ts';
import { type Loaded, loadConfigFile, loadConfigText } from '../../src/config/load.ts';

const ROOT = join(import.meta.dirname, '../..');
const reference = readFileSync(join(ROOT, 'docs/configuration.md'), 'utf8');
const example = readFileSync(join(ROOT, 'config/onceward.example.yaml'), 'utf8');

/** As the reference names it: those of a policy stand there once, for `defaults` and every route. */
function documentedPath(path: string): string {
  return path.replace(/^defaults\./, '');
}

const policyPaths = new Set(
  configFields()
    .filter(({ path }) => path.startsWith('defaults.'))
    .map(({ path }) => path.slice('defaults.'.length)),
);
const wanted = configFields().filter(
  ({ path }) => !(path.startsWith('routes[].') && policyPaths.has(path.slice('routes[].'.length))),
);

function okOf(loaded: Loaded): Extract<Loaded, { kind: 'ok' }> {
  if (loaded.kind === 'ok') return loaded;
  throw new Error(loaded.faults.map(({ text }) => text).join('\n'));
}

describe('the reference', () => {
  it.each(GENERATED_FILES.map(({ path, render }) => [path, render] as const))(
    '%s is what the schema generates',
    (path, render) => {
      expect(readFileSync(join(ROOT, path), 'utf8')).toBe(render());
    },
  );

  it('has a row or a heading for every field of the schema', () => {
    const missing = wanted
      .map(({ path }) => documentedPath(path))
      .filter(
        (path) =>
          !reference.includes(`| \`${path}\` |`) &&
          !reference.includes(`\n## \`${path}\`\n`) &&
          path !== 'defaults',
      );

    expect(missing).toEqual([]);
  });

  it('has no row that is no field', () => {
    const known = new Set(wanted.map(({ path }) => documentedPath(path)));
    const rows = [...reference.matchAll(/^\| `([^`]+)` \|/gm)].map(([, path]) => path ?? '');

    expect(rows.length).toBeGreaterThan(80);
    expect(rows.filter((row) => !known.has(row))).toEqual([]);
  });

  it('says of every field what it does', () => {
    expect(configFields().filter(({ description }) => description.length < 10)).toEqual([]);
  });
});

describe('the example', () => {
  it('names every field', () => {
    const missing = configFields().filter(
      ({ name }) => !new RegExp(`(?:^|[\\s{[-])${name}:`, 'm').test(example),
    );

    expect(missing.map(({ path }) => path)).toEqual([]);
  });

  it('loads without a fault and without a warning', async () => {
    const loaded = okOf(await loadConfigFile(join(ROOT, 'config/onceward.example.yaml'), {}));

    expect(loaded.config.warnings).toEqual([]);
  });

  it('has the defaults, apart from its routes', () => {
    const withRoutes = okOf(loadConfigText(example, 'o.yaml', {})).config;
    const least = okOf(loadConfigText('upstream: { url: http://127.0.0.1:3000 }', 'o.yaml', {})).config;

    expect({ ...withRoutes, routes: [] }).toEqual(least);
  });

  it('in its least form is all defaults', async () => {
    const minimal = okOf(await loadConfigFile(join(ROOT, 'config/onceward.minimal.yaml'), {})).config;

    expect(minimal).toEqual(
      okOf(loadConfigText('upstream: { url: http://127.0.0.1:3000 }', 'o.yaml', {})).config,
    );
  });
});
