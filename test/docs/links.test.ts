import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { filesBelow, ROOT } from '../tidy/sources.ts';

const pages = [
  ...filesBelow(join(ROOT, 'docs')),
  ...filesBelow(join(ROOT, 'deploy')),
  join(ROOT, 'README.md'),
  join(ROOT, 'SECURITY.md'),
  join(ROOT, 'CONTRIBUTING.md'),
  join(ROOT, 'client/README.md'),
].filter((file) => file.endsWith('.md'));

describe('the docs', () => {
  it('link to nothing that is not there', () => {
    const broken = pages.flatMap((page) =>
      [...readFileSync(page, 'utf8').matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)]
        .map((match) => match[1] ?? '')
        .filter((target) => !existsSync(join(dirname(page), target)))
        .map((target) => `${page} → ${target}`),
    );

    expect(broken).toEqual([]);
  });

  it('name no file of the sources that is not there', () => {
    const missing = pages.flatMap((page) =>
      [
        ...readFileSync(page, 'utf8').matchAll(
          /`((?:src|test|config|docs|examples|scripts)\/[\w./-]+\.\w+)`/g,
        ),
      ]
        .map((match) => match[1] ?? '')
        .filter((file) => !existsSync(join(ROOT, file)))
        .map((file) => `${page} → ${file}`),
    );

    expect(missing).toEqual([]);
  });
});
