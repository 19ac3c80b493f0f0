import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderProblemDocs } from '../../scripts/generate-problem-docs.ts';
import { PROBLEM_CODES, problemType } from '../../src/problems/registry.ts';

const DOCS = readFileSync(join(import.meta.dirname, '../../docs/problems.md'), 'utf8');

describe('docs/problems.md', () => {
  it('is what the table gives: node scripts/generate-problem-docs.ts --write', () => {
    expect(DOCS).toBe(renderProblemDocs());
  });

  it('has a section for every code and for nothing else', () => {
    const sections = [...DOCS.matchAll(/^## (.+)$/gm)].map(([, title]) => title);

    expect(sections).toEqual([...PROBLEM_CODES, 'Example']);
  });

  it('has a row for every code with what the table says', () => {
    const rows = [...DOCS.matchAll(/^\| \[`([a-z-]+)`\]\(#([a-z-]+)\) \| (\d+) \| (\w+) \| (\S+) \|/gm)].map(
      (row) => row.slice(1),
    );
    const expected = PROBLEM_CODES.map((code) => {
      const { status, retryable, sameKey } = problemType(code);
      return [code, code, String(status), String(retryable), String(sameKey ?? '–')];
    });

    expect(rows).toEqual(expected);
  });
});
