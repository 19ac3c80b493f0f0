import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shadows } from '../../src/config/shadow.ts';
import type { RouteMatch } from '../../src/core/policy.ts';
import { compilePath, matchesPath } from '../../src/core/route.ts';

function match(path: string | null, more: Partial<RouteMatch> = {}): RouteMatch {
  const compiled = path === null ? null : compilePath(path);
  return {
    host: null,
    path: compiled?.kind === 'ok' ? compiled.segments : null,
    methods: [],
    headers: [],
    ...more,
  };
}

describe('a route above another one', () => {
  it.each([
    [match(null), match('/a'), 'yes'],
    [match('/**'), match(null), 'yes'],
    [match('/a'), match(null), 'no'],
    [match('/a/**'), match('/a'), 'yes'],
    [match('/a/**'), match('/a/*/b'), 'yes'],
    [match('/a/*'), match('/a/**'), 'no'],
    [match('/*/b'), match('/a/*'), 'no'],
    [match('/*'), match('/'), 'no'],
    [match('/**/z'), match('/a/**/z'), 'yes'],
    [match(null, { methods: ['POST'] }), match(null), 'no'],
    [match(null, { methods: ['POST', 'PUT'] }), match(null, { methods: ['PUT'] }), 'yes'],
    [match(null, { host: '*.a.b' }), match(null, { host: 'x.a.b' }), 'yes'],
    [match(null, { host: '*.a.b' }), match(null, { host: '*.x.a.b' }), 'yes'],
    [match(null, { host: '*.a.b' }), match(null, { host: 'a.b' }), 'no'],
    [match(null, { host: 'a.b' }), match(null, { host: '*.a.b' }), 'no'],
    [
      match(null, { headers: [{ name: 'x', value: null }] }),
      match(null, { headers: [{ name: 'x', value: '1' }] }),
      'yes',
    ],
    [
      match(null, { headers: [{ name: 'x', value: '1' }] }),
      match(null, { headers: [{ name: 'x', value: null }] }),
      'no',
    ],
  ] as const)('case %#: %j hides %j: %s', (earlier, later, wanted) => {
    expect(shadows(earlier, later)).toBe(wanted);
  });

  it('is never said to hide one that has a request of its own', () => {
    const pattern = fc
      .array(fc.constantFrom('a', 'b', '*', '**', ''), { minLength: 1, maxLength: 5 })
      .map((parts) => `/${parts.join('/')}`);
    const path = fc
      .array(fc.constantFrom('a', 'b', 'c', ''), { minLength: 1, maxLength: 7 })
      .map((steps) => `/${steps.join('/')}`);
    fc.assert(
      fc.property(pattern, pattern, fc.array(path, { minLength: 20, maxLength: 20 }), (one, two, paths) => {
        const earlier = match(one);
        const later = match(two);
        fc.pre(shadows(earlier, later) === 'yes');

        const own = paths.filter(
          (own) => matchesPath(later.path ?? [], own) && !matchesPath(earlier.path ?? [], own),
        );

        expect(own).toEqual([]);
      }),
    );
  });
});
