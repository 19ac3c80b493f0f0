import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Each `sql/<name>.sql` says in its header what it does, what it takes and what it returns. */
export const STATEMENT_NAMES = [
  'claim',
  'dispatch',
  'renew',
  'complete',
  'release',
  'release-owner',
  'park',
  'resolve',
  'reseal',
  'inspect',
  'list',
  'forget',
  'await',
  'sweep',
  'cell-read',
  'cell-write',
  'cell-sweep',
  'stats',
  'adopt',
  'prove',
  'look',
  'session',
  'fitness',
] as const;
export type StatementName = (typeof STATEMENT_NAMES)[number];

export type Statement = {
  /** Under which the server keeps the prepared statement. */
  readonly name: string;
  readonly text: string;
};

export type Statements = ReadonlyMap<StatementName, Statement>;

export const SQL_FOLDER = join(import.meta.dirname, 'sql');

/** Short enough that the channel of settlements fits into the 63 bytes of a name. */
const SCHEMA = /^(?!pg_)[a-z_][a-z0-9_]{0,47}$/;

/** @throws Error for a name that would need quotes. */
export function checkSchema(schema: string): void {
  if (!SCHEMA.test(schema)) {
    throw new Error(
      `store.schema must be 1 to 48 lower-case letters, digits or _, not begin with a digit or pg_: ${schema}`,
    );
  }
}

export function loadStatements(schema: string): Statements {
  return new Map(
    STATEMENT_NAMES.map((name) => {
      const text = inSchema(readFileSync(join(SQL_FOLDER, `${name}.sql`), 'utf8'), schema);
      return [name, { name: `onceward-${name}`, text: withoutHeader(text) }];
    }),
  );
}

/** The files are written for the schema `onceward`; `checkSchema` has seen the other name. */
export function inSchema(text: string, schema: string): string {
  return text.replaceAll(/\bonceward\./g, `${schema}.`);
}

export function settledChannel(schema: string): string {
  return `${schema}_settled`;
}

function withoutHeader(text: string): string {
  const lines = text.split('\n');
  return lines
    .slice(lines.findIndex((line) => !line.startsWith('--')))
    .join('\n')
    .trim();
}
