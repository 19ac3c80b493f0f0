import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { proposedConfig } from '../../../src/cli/audit/audit-openapi.ts';
import { runBinary, temporaryFolder } from '../../support/child-proxy.ts';
import { api, loaded, proposed, routeOf, UPSTREAM } from './openapi-proposal.ts';

const FOLDER = join(import.meta.dirname, 'openapi');

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
