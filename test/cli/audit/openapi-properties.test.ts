import fc from 'fast-check';
import { expect, it } from 'vitest';
import { proposedConfig } from '../../../src/cli/audit/audit-openapi.ts';
import { api, loaded, proposed, routeOf, UPSTREAM } from './openapi-proposal.ts';

/** Whatever stands in a document, the proposal takes no key from any of its paths. */

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
