import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadConfigText } from '../../src/config/load.ts';
import type { PathSegment, RoutePolicy } from '../../src/core/policy.ts';
import { compilePath, matchesPath, matchRoute } from '../../src/core/route.ts';

function segmentsOf(pattern: string): readonly PathSegment[] {
  const compiled = compilePath(pattern);
  if (compiled.kind === 'ok') return compiled.segments;
  throw new Error(compiled.message);
}

describe('a path pattern', () => {
  it.each([
    ['/', '/', 'yes'],
    ['/', '/a', 'no'],
    ['/a', '/a', 'yes'],
    ['/a', '/A', 'no'],
    ['/a', '/a/', 'no'],
    ['/a/', '/a/', 'yes'],
    ['/a', '/ab', 'no'],
    ['/*', '/a', 'yes'],
    ['/*', '/', 'no'],
    ['/*', '/a/b', 'no'],
    ['/a/*/c', '/a/b/c', 'yes'],
    ['/a/*/c', '/a//c', 'no'],
    ['/a/**', '/a', 'yes'],
    ['/a/**', '/a/', 'yes'],
    ['/a/**', '/a/b/c', 'yes'],
    ['/a/**', '/ab', 'no'],
    ['/**', '/', 'yes'],
    ['/**', '/a/b', 'yes'],
    ['/**/z', '/z', 'yes'],
    ['/**/z', '/a/z/z', 'yes'],
    ['/**/z', '/a/z/b', 'no'],
    ['/a/**/b/**/c', '/a/x/b/y/b/c', 'yes'],
    ['/a/**/b/**/c', '/a/c/b', 'no'],
    ['/**/**', '/a', 'yes'],
    ['/**/*', '/', 'no'],
    ['/**/*/c', '/b/c', 'yes'],
    ['/a/{id}/c', '/a/b/c', 'yes'],
    ['/a/{id}', '/a/', 'no'],
  ])('%s on %s: %s', (pattern, path, wanted) => {
    expect(matchesPath(segmentsOf(pattern), path) ? 'yes' : 'no').toBe(wanted);
  });

  it.each([
    '',
    'a',
    '*',
    '/a*',
    '/*a',
    '/***',
    '/a?b',
    '/a#b',
    '/a%20b',
    '/a b',
    '/a\\b',
    '/ä',
    '/a/../b',
    '/./a',
    '/a\u0000',
    '/a{id}',
    '/{}',
    '/{1}',
    '/{a}{b}',
  ])('%j is refused', (pattern) => {
    expect(compilePath(pattern).kind).toBe('fault');
  });

  it.each([
    ['a', 'a path pattern begins with "/"'],
    [
      '/a b',
      'a path pattern has visible ASCII characters only, and no query, fragment, backslash or percent-encoding; paths are compared as they are sent',
    ],
    ['/a*', '"a*": "*" stands for a whole segment; match the rest of a path with "/**"'],
    ['/.', 'a path pattern has no "." segment; no request with one is served'],
    ['/a/..', 'a path pattern has no ".." segment; no request with one is served'],
  ])('%j is refused: %s', (pattern, message) => {
    expect(compilePath(pattern)).toEqual({ kind: 'fault', message });
  });

  it('is made of its segments', () => {
    expect(compilePath('/a/*/**/')).toEqual({
      kind: 'ok',
      segments: [
        { kind: 'literal', text: 'a' },
        { kind: 'one' },
        { kind: 'rest' },
        { kind: 'literal', text: '' },
      ],
    });
  });

  it('matches as its definition says', () => {
    const part = fc.constantFrom('a', 'b', '*', '**', '');
    const step = fc.constantFrom('a', 'b', 'c', '');
    fc.assert(
      fc.property(
        fc.array(part, { minLength: 1, maxLength: 6 }),
        fc.array(step, { minLength: 1, maxLength: 7 }),
        (parts, steps) => {
          expect(matchesPath(segmentsOf(`/${parts.join('/')}`), `/${steps.join('/')}`)).toBe(
            defined(parts, steps),
          );
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('is compared in time that grows with pattern times path, however it is made', () => {
    const pattern = segmentsOf(`/${'**/a/'.repeat(50)}b`);
    const path = '/a'.repeat(4000);
    const started = performance.now();

    expect(matchesPath(pattern, path)).toBe(false);

    expect(performance.now() - started).toBeLessThan(500);
  });
});

/** The definition, without any thought of time. */
function defined(parts: readonly string[], steps: readonly string[]): boolean {
  const [part, ...rest] = parts;
  if (part === undefined) return steps.length === 0;
  if (part === '**')
    return Array.from({ length: steps.length + 1 }, (_, taken) => taken).some((taken) =>
      defined(rest, steps.slice(taken)),
    );
  const [step, ...left] = steps;
  if (step === undefined) return false;
  return (part === '*' ? step !== '' : part === step) && defined(rest, left);
}

function routes(yaml: string): readonly RoutePolicy[] {
  const loaded = loadConfigText(`upstream: { url: http://127.0.0.1:3000 }\nroutes:\n${yaml}`, 'o.yaml', {});
  if (loaded.kind === 'ok') return loaded.config.routes;
  throw new Error(loaded.faults.map(({ text }) => text).join('\n'));
}

const TABLE = routes(`
  - { name: host, match: { host: pay.example.com } }
  - { name: wild, match: { host: "*.example.org" } }
  - { name: ipv6, match: { host: "[::1]" } }
  - { name: method, match: { path: /m, methods: [POST] } }
  - { name: header, match: { path: /h, headers: { X-Env: prod, X-Any: } } }
  - { name: first, match: { path: /a/** } }
  - { name: second, match: { path: /a/b } }
`);

describe('a request', () => {
  it.each([
    ['GET', 'pay.example.com', '/', [], 'host'],
    ['GET', 'PAY.Example.com:8080', '/', [], 'host'],
    ['GET', 'pay.example.com.', '/', [], 'host'],
    ['GET', 'pay.example.com.:80', '/', [], 'host'],
    ['GET', 'xpay.example.com', '/', [], null],
    ['GET', 'a.example.org', '/', [], 'wild'],
    ['GET', 'a.b.example.org:1', '/', [], 'wild'],
    ['GET', 'example.org', '/', [], null],
    ['GET', '.example.org', '/', [], null],
    ['GET', '[::1]:80', '/', [], 'ipv6'],
    ['POST', 'h', '/m', [], 'method'],
    ['post', 'h', '/m', [], null],
    ['GET', 'h', '/m', [], null],
    ['GET', 'h', '/h', ['x-env', 'prod', 'X-ANY', ''], 'header'],
    ['GET', 'h', '/h', ['x-env', 'test', 'x-env', 'prod', 'x-any', 'a'], 'header'],
    ['GET', 'h', '/h', ['x-env', 'prod'], null],
    ['GET', 'h', '/h', ['x-env', 'Prod', 'x-any', 'a'], null],
    ['GET', 'h', '/a/b', [], 'first'],
    ['GET', '', '/', [], null],
  ])('%s %s%s with %j is on route %s', (method, host, path, rawHeaders, name) => {
    expect(matchRoute(TABLE, { method, host, path, rawHeaders })?.name ?? null).toBe(name);
  });
});
