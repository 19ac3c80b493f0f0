import { describe, expect, it } from 'vitest';
import { functionsOf, type Source, sourcesBelow } from './sources.ts';

/**
 * Style that is executed. An exception carries a comment `tidy: <reason>` on its first lines (a long file) or on the
 * line above (a long function).
 */

const sources = sourcesBelow('src');
const everything = [
  ...sources,
  ...sourcesBelow('test'),
  ...sourcesBelow('scripts'),
  ...sourcesBelow('bench'),
];

/** A folder may import from those named; `*` stands for the files directly in src/. */
const DIRECTION: Readonly<Record<string, readonly string[]>> = {
  core: ['core'],
  problems: ['core', 'problems'],
  config: ['core', 'config'],
  store: ['core', 'store'],
  http: ['core', 'http', 'problems'],
  observe: ['core', 'observe', 'problems', 'store'],
  admin: ['core', 'admin', 'observe', 'http', 'problems', 'store'],
  tokens: ['core', 'tokens', 'config'],
  engine: ['core', 'engine', 'http', 'store', 'observe', 'problems', 'config', 'tokens'],
  cli: ['core', 'cli', 'config', 'http', 'engine', 'problems', 'store', 'observe', 'tokens', '*'],
};

/** Which packages of others a folder may use; a driver stays inside its store. */
const PACKAGES: readonly { readonly name: string; readonly within: string }[] = [
  { name: 'undici', within: 'src/http/' },
  { name: 'jose', within: 'src/tokens/' },
  { name: 'ioredis', within: 'src/store/redis/' },
  { name: 'lmdb', within: 'src/store/lmdb/' },
  { name: 'pg', within: 'src/store/postgres/' },
  { name: 'prom-client', within: 'src/observe/' },
  { name: 'pino', within: 'src/observe/' },
  { name: 'yaml', within: 'src/config/' },
  { name: 'zod', within: 'src/config/' },
];

/** Files that stand at an edge of the process, and why. */
const EDGES: Readonly<Record<string, readonly string[]>> = {
  'process.env': ['src/cli/process-io.ts'],
  'process.exit': ['src/cli/process-io.ts', 'src/main.ts', 'src/worker.ts'],
  'Date.now': ['src/parts.ts', 'src/store/lmdb/system-clock.ts'],
  'Math.random': [],
  console: [],
};

function folderOf(path: string): string {
  const parts = path.split('/');
  return parts.length === 2 ? '*' : (parts[1] ?? '');
}

describe('the tree is tidy', () => {
  it('every folder imports only in the direction of the design', () => {
    const wrong: string[] = [];
    for (const source of sources) {
      const allowed = DIRECTION[folderOf(source.path)];
      if (allowed === undefined) continue;
      for (const { target } of source.imports) {
        if (target?.startsWith('src/') === true && !allowed.includes(folderOf(target)))
          wrong.push(`${source.path} → ${target}`);
      }
    }

    expect(wrong).toEqual([]);
  });

  it('core imports no package and of node only crypto, where something is hashed', () => {
    const hashing = [
      'src/core/fingerprint.ts',
      'src/core/fingerprint-policy.ts',
      'src/core/scope.ts',
      'src/core/record-key.ts',
      'src/core/cell-key.ts',
      // A batch of messages is known by a digest of its ids; the signature of a message is what is verified.
      'src/core/message.ts',
      'src/core/signature.ts',
      'src/core/signature-parts.ts',
      'src/core/signature-sns.ts',
      'src/core/signature-twilio.ts',
      'src/core/task-id.ts',
      // A ticket carries a proof under the secret of the store.
      'src/core/ticket.ts',
    ];
    const wrong = sources
      .filter((source) => folderOf(source.path) === 'core')
      .flatMap((source) =>
        source.imports
          .filter(({ target }) => target === null)
          .filter(({ specifier }) => !(specifier === 'node:crypto' && hashing.includes(source.path)))
          .map(({ specifier }) => `${source.path} → ${specifier}`),
      );

    expect(wrong).toEqual([]);
  });

  it.each(PACKAGES)('$name is used only within $within', ({ name, within }) => {
    const wrong = sources.filter(
      (source) =>
        !source.path.startsWith(within) && source.imports.some(({ specifier }) => specifier === name),
    );

    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  it.each(Object.entries(EDGES))('%s is used only in the named edge files', (word, files) => {
    const pattern = new RegExp(`(?<![\\w.'"\`])${word.replace('.', '\\.')}\\b(?!['"])`);
    const wrong = sources.filter(
      (source) =>
        !files.includes(source.path) && source.lines.some((line) => pattern.test(withoutComment(line))),
    );

    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  it('no file imports itself through others', () => {
    expect(cycles(sources)).toEqual([]);
  });

  it('a file has at most 300 lines, or says why not', () => {
    const long = everything.filter(
      ({ lines }) => lines.length > 301 && !lines.slice(0, 12).some((line) => line.includes('tidy:')),
    );

    expect(long.map(({ path, lines }) => `${path}: ${lines.length}`)).toEqual([]);
  });

  it('a function has at most 70 lines, or says why not', () => {
    const long = sources.flatMap((source) =>
      functionsOf(source)
        .filter(({ length, line }) => length > 70 && !(source.lines[line - 2] ?? '').includes('tidy:'))
        .map(({ name, length }) => `${source.path}: ${name} has ${length}`),
    );

    expect(long).toEqual([]);
  });

  it('nothing is exported by default, re-exported, asserted non-null or typed any', () => {
    const banned = [
      /^export default/,
      /^export (?:\*|\{[^}]*\}|type \{[^}]*\}) from/,
      /\bany\b(?=[;,)>\]])/,
      /[\w)\]]!(?:\.|;|,|\))/,
    ];
    const wrong = sources.flatMap((source) =>
      source.lines
        .map((line, index) => ({ line: withoutComment(line), at: `${source.path}:${index + 1}` }))
        .filter(({ line }) => banned.some((pattern) => pattern.test(withoutStrings(line))))
        .map(({ at }) => at),
    );

    expect(wrong).toEqual([]);
  });

  it('every switch over a union ends in unreachable or a default that says what it means', () => {
    const wrong = sources.filter((source) => {
      const switches = source.text.match(/\bswitch \(/g)?.length ?? 0;
      const defaults = source.text.match(/\bdefault:/g)?.length ?? 0;
      return switches > defaults;
    });

    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  it('tests do not sleep, except where a real server is waited for', () => {
    const wrong = everything
      .filter(({ path }) => path.endsWith('.test.ts') && !path.includes('redis'))
      .filter(({ text }) => /setTimeout\(resolve, \d{3,}\)/.test(text));

    expect(wrong.map(({ path }) => path)).toEqual([]);
  });
});

function withoutComment(line: string): string {
  const trimmed = line.trimStart();
  if (trimmed.startsWith('*') || trimmed.startsWith('//') || trimmed.startsWith('/*')) return '';
  return line.replace(/\s\/\/ .*$/, '');
}

function withoutStrings(line: string): string {
  return line.replace(
    /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`|\/(?![/*])(?:[^/\\\n]|\\.)+\/[a-z]*/g,
    "''",
  );
}

function cycles(files: readonly Source[]): readonly string[] {
  const edges = new Map(
    files.map((file) => [
      file.path,
      file.imports
        .filter(({ kind }) => kind === 'value')
        .flatMap(({ target }) => (target === null ? [] : [target])),
    ]),
  );
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      found.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
      return;
    }
    if (done.has(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
  return found;
}
