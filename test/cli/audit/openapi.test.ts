import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { proposedConfig } from '../../../src/cli/audit/audit-openapi.ts';
import { loadConfigText } from '../../../src/config/load.ts';
import type { ResolvedConfig } from '../../../src/config/resolved.ts';
import { matchRoute } from '../../../src/core/route.ts';
import { runBinary, temporaryFolder } from '../../support/child-proxy.ts';

const FOLDER = join(import.meta.dirname, 'openapi');
const UPSTREAM = 'http://127.0.0.1:3000';

function proposed(document: unknown): string {
  const text = typeof document === 'string' ? document : JSON.stringify(document);
  const yaml = proposedConfig(text, 'api.yaml', UPSTREAM);
  if (yaml.kind === 'fault') throw new Error(yaml.message);
  return yaml.text;
}

function loaded(yaml: string): ResolvedConfig {
  const config = loadConfigText(yaml, 'proposed.yaml', {});
  if (config.kind === 'faults') throw new Error(config.faults.map(({ text }) => text).join('\n'));
  return config.config;
}

function routeOf(
  config: ResolvedConfig,
  method: string,
  path: string,
): ResolvedConfig['routes'][number] | null {
  return matchRoute(config.routes, { method, host: 'shop.example', path, rawHeaders: [] });
}

function api(paths: object, more: object = {}): object {
  return { openapi: '3.0.3', info: { title: 'x', version: '1' }, paths, ...more };
}

describe('the proposal for an OpenAPI document', () => {
  it('is a configuration with what the document says, and what it rests on', async () => {
    const yaml = proposed(readFileSync(join(FOLDER, 'shop.yaml'), 'utf8'));

    await expect(yaml).toMatchFileSnapshot(join(FOLDER, 'shop.proposed.yaml'));
    const config = loaded(yaml);
    expect(config.routes.map(({ mode }) => mode)).toEqual(config.routes.map(() => 'observe'));
  });

  it('has the key where the document has it, required where it is', () => {
    const config = loaded(proposed(readFileSync(join(FOLDER, 'shop.yaml'), 'utf8')));

    const keys = (
      [
        ['POST', '/v2/orders'],
        ['PATCH', '/v2/orders'],
        ['DELETE', '/v2/orders/7'],
        ['POST', '/v2/orders/7'],
        ['POST', '/v2/payments'],
      ] as const
    ).map(([method, path]) => {
      const route = routeOf(config, method, path);
      return [route?.name, route?.key.presence, route?.idempotentMethods, route?.key.sources];
    });

    const header = (name: string): object[] => [{ kind: 'header', name }];
    expect(keys).toEqual([
      ['createOrder', 'required', 'bypass', header('idempotency-key')],
      ['createOrder', 'required', 'bypass', header('idempotency-key')],
      ['cancelOrder', 'optional', 'keyed', header('x-idempotency-key')],
      ['touchOrder', 'optional', 'bypass', header('idempotency-key')],
      [
        'pay',
        'required',
        'bypass',
        [{ kind: 'json', pointer: '/idempotency_key', tokens: ['idempotency_key'] }],
      ],
    ]);
    expect(routeOf(config, 'PUT', '/v2/orders/7')).toBeNull();
    expect(routeOf(config, 'POST', '/v2/orders/export')?.name).toBe('export-orders');
    expect(routeOf(config, 'POST', '/v2/orders/search')?.key.sources).toEqual([]);
  });

  it('has whose key it is', () => {
    const config = loaded(proposed(readFileSync(join(FOLDER, 'shop.yaml'), 'utf8')));

    const scopes = ['orders', 'orders/export', 'payments', 'cookie'].map(
      (path) => routeOf(config, 'POST', `/v2/${path}`)?.scope,
    );

    expect(scopes).toEqual([
      { headers: ['authorization'], anonymous: 'refuse' },
      { headers: ['authorization'], anonymous: 'allow' },
      { headers: ['authorization', 'x-app-id', 'x-app-key'], anonymous: 'refuse' },
      { headers: ['authorization'], anonymous: 'refuse' },
    ]);
  });

  it('puts a name before what stands for any, so that no route hides another', () => {
    const config = loaded(
      proposed(
        api({
          '/{a}/x': { post: { operationId: 'any-x' } },
          '/a/{b}': { post: { operationId: 'a-any' } },
          '/a/x': { post: { operationId: 'a-x' } },
          '/{a}/{b}': { post: { operationId: 'any-any' } },
          '/{other}/{shape}': { post: { operationId: 'never' }, patch: { operationId: 'patched' } },
        }),
      ),
    );

    expect(config.routes.map(({ name }) => name)).toEqual(['a-x', 'a-any', 'any-x', 'any-any']);
    expect(config.routes.at(-1)?.match.methods).toEqual(['POST', 'PATCH']);
  });

  it.each([
    ['no object', '7', 'no OpenAPI 3 document: it has no member "openapi" such as 3.1.0'],
    [
      'a version that is none',
      '{"openapi": "4"}',
      'no OpenAPI 3 document: it has no member "openapi" such as 3.1.0',
    ],
    ['Swagger 2.0', 'swagger: "2.0"', 'Swagger 2.0; convert it to OpenAPI 3 first'],
    ['no YAML', 'a: [', /.+/],
    ['aliases that multiply', aliases(), /alias/i],
    ['text without an end of nesting', '[{a: '.repeat(50_000), /.+/],
  ])('is refused for %s', (_, text, message) => {
    const yaml = proposedConfig(text, 'api.yaml', UPSTREAM);

    expect(yaml).toEqual({
      kind: 'fault',
      message: typeof message === 'string' ? message : expect.stringMatching(message),
    });
  });

  it('is refused for more routes than a configuration takes', () => {
    const paths = Object.fromEntries(Array.from({ length: 1_001 }, (_, n) => [`/p${n}`, { post: {} }]));

    expect(proposedConfig(JSON.stringify(api(paths)), 'api.json', UPSTREAM)).toMatchObject({
      kind: 'fault',
      message: expect.stringContaining('1001 routes'),
    });
  });

  it('ends for references in a circle, and for a document without a path', () => {
    const circle = api(
      {
        '/a': { post: { requestBody: { $ref: '#/components/requestBodies/A' } } },
        '/b': { $ref: '#/paths/~1b' },
      },
      { components: { requestBodies: { A: { $ref: '#/components/requestBodies/A' } } } },
    );

    expect(loaded(proposed(circle)).routes).toHaveLength(1);
    expect(loaded(proposed(api({}))).routes).toEqual([]);
  });
});

function aliases(): string {
  const lines = Array.from(
    { length: 30 },
    (_, n) => `a${n + 1}: &a${n + 1} [${Array.from({ length: 10 }, () => `*a${n}`).join(', ')}]`,
  );
  return ['openapi: 3.0.0', 'a0: &a0 [x]', ...lines].join('\n');
}

it('a path whose segment would be a pattern is left out, and takes no request of another', () => {
  const declared = { parameters: [{ in: 'header', name: 'Idempotency-Key', required: true }] };
  const yaml = proposed(
    api({
      '/orders': { post: declared },
      '/**': { post: { 'x-idempotent': true } },
      '/*': { post: { 'x-idempotent': true } },
      '/a/*/b': { post: {} },
    }),
  );

  const config = loaded(yaml);

  expect(config.routes.map(({ match }) => match.path)).toHaveLength(1);
  expect(routeOf(config, 'POST', '/orders')?.key.presence).toBe('required');
  expect(yaml).toContain('POST /**');
});

const segment = fc.oneof(
  fc.constantFrom(
    'orders',
    'a',
    'b',
    '{id}',
    '{x}',
    '{a}.{b}',
    '*',
    '**',
    '..',
    '%41',
    'ä',
    `$${'{HOME}'}`,
    'a b',
    '#',
    '"',
  ),
  fc.string({ maxLength: 6 }).filter((text) => !text.includes('/')),
);
const operation = fc.record(
  {
    operationId: fc.oneof(fc.constantFrom('pay', 'pay', 'a b'), fc.string({ maxLength: 80 })),
    parameters: fc.array(
      fc.record({
        in: fc.constantFrom('header', 'query'),
        name: fc.constantFrom('Idempotency-Key', 'X-Idempotency-Key', 'Other'),
        required: fc.boolean(),
      }),
      { maxLength: 3 },
    ),
    security: fc.array(fc.dictionary(fc.constantFrom('a', 'b', 'c', '__proto__'), fc.constant([])), {
      maxLength: 3,
    }),
    requestBody: fc.jsonValue(),
    'x-idempotent': fc.boolean(),
  },
  { requiredKeys: [] },
);
const document = fc.record({
  openapi: fc.constantFrom('3.0.0', '3.1.1'),
  info: fc.record({ title: fc.string() }),
  servers: fc.array(
    fc.record({ url: fc.oneof(fc.constantFrom('/v1', 'https://x/v2/', '', '/'), fc.string()) }),
    {
      maxLength: 2,
    },
  ),
  paths: fc.dictionary(
    fc.array(segment, { maxLength: 3 }).map((segments) => `/${segments.join('/')}`),
    fc.dictionary(fc.constantFrom('post', 'patch', 'put', 'delete', 'get', 'x-other'), operation),
    { maxKeys: 8 },
  ),
  components: fc.record({
    securitySchemes: fc.dictionary(
      fc.constantFrom('a', 'b', 'c'),
      fc.record({
        type: fc.constantFrom('http', 'apiKey', 'mutualTLS'),
        in: fc.constantFrom('header', 'cookie'),
        name: fc.string({ maxLength: 10 }),
      }),
    ),
  }),
});

it('whatever a document has, its proposal is a configuration without faults', () => {
  fc.assert(
    fc.property(document, (given) => {
      const config = loaded(proposed(given));

      for (const [path, item] of Object.entries(given.paths)) {
        const { post } = item;
        if (post === undefined || !/^\/(?:orders|a|b)$/.test(path) || given.servers.length > 0) continue;
        const route = routeOf(config, 'POST', path);
        const declared = (post.parameters ?? []).findLast(
          (parameter) => parameter.in === 'header' && parameter.name !== 'Other',
        );
        if (declared === undefined) continue;
        expect(route?.key.presence).toBe(declared.required ? 'required' : 'optional');
        expect(route?.key.sources).toEqual([{ kind: 'header', name: declared.name.toLowerCase() }]);
      }
    }),
    { numRuns: 300 },
  );
});

it('whatever JSON stands for a document, the end is a value', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (paths, components) => {
      const text = JSON.stringify({
        openapi: '3.1.0',
        paths,
        components,
        servers: paths,
        security: components,
      });
      const yaml = proposedConfig(text, 'api.json', UPSTREAM);

      if (yaml.kind === 'yaml') loaded(yaml.text);
    }),
  );
});

describe('onceward audit --openapi', () => {
  it('prints a configuration that onceward check accepts', async () => {
    const folder = temporaryFolder();
    try {
      const printed = await runBinary([
        'audit',
        '--openapi',
        join(FOLDER, 'shop.yaml'),
        '--upstream',
        'http://10.0.0.1:80',
      ]);
      const checked = await runBinary(['check', folder.file('proposed.yaml', printed.stdout)]);

      expect([printed.code, printed.stderr]).toEqual([0, '']);
      expect(printed.stdout).toContain('upstream: { url: "http://10.0.0.1:80" }');
      expect([checked.code, checked.stdout.endsWith('ok\n')]).toEqual([0, true]);
    } finally {
      folder.remove();
    }
  });

  it('takes no target, and names a file that is none in one line', async () => {
    const both = await runBinary(['audit', '--openapi', 'api.yaml', '--target', 'http://127.0.0.1:1']);
    const none = await runBinary(['audit', '--openapi', join(FOLDER, 'absent.yaml')]);

    expect([both.code, none.code]).toEqual([2, 1]);
    expect(none.stderr).toMatch(/^onceward audit: ENOENT.*\n$/);
  });
});
