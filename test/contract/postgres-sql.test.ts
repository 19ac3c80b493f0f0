import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadMigrations } from '../../src/store/postgres/migrations.ts';
import {
  checkSchema,
  loadStatements,
  SQL_FOLDER,
  STATEMENT_NAMES,
} from '../../src/store/postgres/statements.ts';

type SqlFile = { readonly name: string; readonly header: string; readonly code: string };

const files: readonly SqlFile[] = readdirSync(SQL_FOLDER).map((file) => {
  const lines = readFileSync(join(SQL_FOLDER, file), 'utf8').split('\n');
  const end = lines.findIndex((line) => !line.startsWith('--'));
  const code = lines.slice(end).filter((line) => !line.trimStart().startsWith('--'));
  return { name: file.replace(/\.sql$/, ''), header: lines.slice(0, end).join('\n'), code: code.join('\n') };
});

function numbers(text: string, pattern: RegExp): readonly number[] {
  return [...new Set([...text.matchAll(pattern)].map((match) => Number(match[1])))].sort((a, b) => a - b);
}

const named = (...names: readonly string[]): readonly SqlFile[] =>
  files.filter(({ name }) => names.includes(name));

describe('every SQL statement', () => {
  it('is known by its name, and every name has a statement', () => {
    expect(files.map(({ name }) => name).sort()).toEqual([...STATEMENT_NAMES].sort());
  });

  it.each(files)('$name has a header with purpose, guarantee and returns', ({ header }) => {
    for (const part of ['-- Purpose: ', '-- Guarantee: ', '-- Returns: ']) expect(header).toContain(part);
  });

  it.each(files)('$name uses exactly the parameters that its header names', ({ header, code }) => {
    const documented = numbers(header, /^-- \$(\d+) /gm);

    expect(documented).toEqual(Array.from({ length: documented.length }, (_, i) => i + 1));
    expect(numbers(code, /\$(\d+)/g)).toEqual(documented);
  });

  it.each(files)('$name is one statement', ({ code }) => {
    expect(code).not.toContain(';');
  });

  it.each(files)('$name asks for the time once, and for no other', ({ code }) => {
    expect(code.match(/extract\(epoch FROM clock_timestamp\(\)\)/g)?.length ?? 0).toBeLessThanOrEqual(1);
    expect(code).not.toMatch(/\bnow\(\)|current_timestamp|statement_timestamp|transaction_timestamp/i);
  });

  it.each(files)('$name names the schema of every table', ({ code }) => {
    expect(code).not.toMatch(/(?<!onceward\.)\b(?:FROM|INTO|UPDATE|JOIN) (?:identity|onceward_migration)\b/);
    expect(code.match(/(?<![.\w])onceward(?!\.)/g)).toBeNull();
  });
});

describe('the writes after a claim', () => {
  it.each(named('dispatch', 'renew', 'complete', 'release', 'park'))(
    '$name is checked by key, token, owner and expiry',
    ({ code }) => {
      expect(code).toContain('WHERE r.record_key = $1 AND r.token = $2 AND r.owner = $3');
      expect(code).toContain('r.expires_at_us > c.now_us');
    },
  );

  it.each(named('complete', 'release', 'release-owner', 'park', 'resolve'))(
    '$name notifies only where somebody waits',
    ({ code }) => {
      expect(code).toMatch(/CASE WHEN awaited THEN pg_notify\(\$\d, \$1\)/);
      expect(code.match(/pg_notify/g)).toHaveLength(1);
    },
  );
});

describe('the schema', () => {
  it('stands before every table of the text that is sent', () => {
    for (const { text } of loadStatements('other').values()) {
      expect(text).not.toMatch(/\bonceward\./);
      expect(text.startsWith('--')).toBe(false);
    }
  });

  it.each(['', 'Records', 'a-b', '1a', 'pg_mine', 'a.b', 'a"b', `a${'b'.repeat(48)}`])(
    'is refused when it is called %j',
    (schema) => {
      expect(() => checkSchema(schema)).toThrow('store.schema must be');
    },
  );

  it('has migrations numbered from 1 without a gap', () => {
    const versions = loadMigrations().map(({ version }) => version);

    expect(versions).toEqual(versions.map((_, i) => i + 1));
    expect(versions.length).toBeGreaterThan(0);
  });
});
