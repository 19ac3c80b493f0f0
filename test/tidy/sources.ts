import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');

export type Source = {
  /** Relative to the repository, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
  readonly imports: readonly Import[];
};

export type Import = {
  readonly specifier: string;
  readonly kind: 'type' | 'value';
  readonly target: string | null;
};

/** Every TypeScript file below a folder, with what it imports. */
export function sourcesBelow(folder: string): readonly Source[] {
  return filesBelow(join(ROOT, folder))
    .filter((file) => file.endsWith('.ts'))
    .map(readSource);
}

export function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !file.includes('node_modules'));
}

function readSource(file: string): Source {
  const text = readFileSync(file, 'utf8');
  const imports: Import[] = [];
  for (const match of text.matchAll(
    /^(?:import|export)\s+(type\s+)?(?:[^'"]*?\sfrom\s+)?['"]([^'"]+)['"]/gm,
  )) {
    const specifier = match[2] ?? '';
    const target = specifier.startsWith('.') ? relative(ROOT, join(dirname(file), specifier)) : null;
    imports.push({ specifier, kind: match[1] === undefined ? 'value' : 'type', target });
  }
  return { path: relative(ROOT, file), text, lines: text.split('\n'), imports };
}

export type FunctionSpan = { readonly name: string; readonly line: number; readonly length: number };

/** Functions and methods by their indentation, which the formatter keeps true. */
export function functionsOf(source: Source): readonly FunctionSpan[] {
  const spans: FunctionSpan[] = [];
  for (const [index, line] of source.lines.entries()) {
    const head =
      /^(\s*)(?:export\s+)?(?:static\s+)?(?:async\s+)?(?:function\*?\s+)?(?:async\s+)?\*?([#\w]+)(?:<[^>]*>)?\(.*$/.exec(
        line,
      );
    if (
      head === null ||
      /^\s*(?:if|for|while|switch|catch|return|await|expect|describe|it|test|throw)\b/.test(line)
    )
      continue;
    const indent = head[1] ?? '';
    const open = source.lines.findIndex(
      (candidate, at) => at >= index && candidate.endsWith('{') && indentOf(candidate) === indent,
    );
    if (
      open === -1 ||
      open > index + 12 ||
      source.lines.slice(index, open).some((between) => between.endsWith(';'))
    )
      continue;
    const close = source.lines.findIndex((candidate, at) => at > open && candidate.startsWith(`${indent}}`));
    if (close !== -1) spans.push({ name: head[2] ?? '', line: index + 1, length: close - index + 1 });
  }
  return spans;
}

function indentOf(line: string): string {
  return /^\s*/.exec(line)?.[0] ?? '';
}
