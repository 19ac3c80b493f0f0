import { describe, expect, it } from 'vitest';
import { compileResource, covers, type ResourceTemplate, resourceOf } from '../../src/core/resource.ts';
import { compilePath } from '../../src/core/route.ts';

function template(text: string): ResourceTemplate {
  const compiled = compileResource(text);
  if (compiled.kind === 'fault') throw new Error(compiled.message);
  return compiled.template;
}

function pattern(text: string) {
  const compiled = compilePath(text);
  if (compiled.kind === 'fault') throw new Error(compiled.message);
  return compiled.segments;
}

describe('a resource', () => {
  it.each([
    ['/documents/{id}', '/documents/7', '/documents/7'],
    ['/documents/{id}', '/documents/7/title', '/documents/7'],
    ['/documents/{id}', '/documents/7/', '/documents/7'],
    ['/{tenant}/documents/{id}', '/a/documents/7/b', '/a/documents/7'],
    [null, '/documents/7/title', '/documents/7/title'],
    [null, '/', '/'],
  ])('by %s of %s is %s', (text, path, resource) => {
    expect(resourceOf(text === null ? null : template(text), path)).toBe(resource);
  });

  it('has one name, whichever way it is escaped', () => {
    expect(resourceOf(null, '/%61%2db%3a%c3%A9')).toBe('/a-b%3A%C3%A9');
  });

  it.each(['documents', '/a//b', '/', '/{a}b', '/{1}', '/a?b', '/..', '/a/*', '/a%20b'])(
    'is not named by %s',
    (text) => {
      expect(compileResource(text).kind).toBe('fault');
    },
  );

  it.each([
    ['/documents/{id}', '/documents/*', 'yes'],
    ['/documents/{id}', '/documents/*/**', 'yes'],
    ['/documents/{id}', '/documents/all', 'yes'],
    ['/documents/{id}', '/documents/**', 'no'],
    ['/documents/{id}', '/documents', 'no'],
    ['/documents/{id}', '/*/x', 'no'],
    ['/documents/{id}', '/papers/*', 'no'],
  ] as const)('%s and the paths %s: %s', (text, path, fits) => {
    expect(covers(template(text), pattern(path))).toBe(fits);
  });

  it('is not covered by a route for every path', () => {
    expect(covers(template('/documents/{id}'), null)).toBe('no');
  });
});
