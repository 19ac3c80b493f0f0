import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderDialectDocs } from '../../scripts/generate-dialect-docs.ts';
import { type Loaded, loadConfigText } from '../../src/config/load.ts';
import { printConfig } from '../../src/config/print.ts';
import { PROFILE_NAMES, profileOf } from '../../src/config/profiles.ts';

/** Profiles: what each sets, who has the last word, and which line is blamed. */

const GOLDEN = join(import.meta.dirname, 'golden-profiles');
const TOP = 'upstream: { url: http://127.0.0.1:3000, protocol: http2 }\n';
const END = '\nhttp2: prior-knowledge\n';

function load(text: string): Loaded {
  return loadConfigText(`${TOP}${text}${END}`, 'o.yaml', {});
}

function okOf(text: string): Extract<Loaded, { kind: 'ok' }> {
  const loaded = load(text);
  if (loaded.kind === 'ok') return loaded;
  throw new Error(loaded.faults.map((fault) => fault.text).join('\n'));
}

function faultsOf(text: string): readonly string[] {
  const loaded = load(text);
  return loaded.kind === 'ok' ? [] : loaded.faults.map((fault) => fault.text);
}

/** Of a print its lines of the profile, below the sections they are in: the defaults are another test's. */
function ofProfile(printed: string): string {
  const lines = printed.slice(printed.indexOf('routes:')).trimEnd().split('\n');
  const depthOf = (line: string): number => line.search(/[^ -]/);
  const kept = lines.filter((line, index) => {
    if (line.includes('# ')) return !line.endsWith('# default');
    const end = lines.findIndex((later, at) => at > index && depthOf(later) <= depthOf(line));
    return lines.slice(index + 1, end === -1 ? undefined : end).some((below) => below.includes('# profile'));
  });
  return `${kept.join('\n')}\n`;
}

function routeOf(text: string) {
  return okOf(text).config.routes[0];
}

describe.each(PROFILE_NAMES)('the profile %s', (name) => {
  it('is shown in full by config print, with where each value comes from', async () => {
    const printed = printConfig(okOf(`routes: [{ name: r, profile: ${name} }]`).effective);

    await expect(ofProfile(printed)).toMatchFileSnapshot(join(GOLDEN, `${name}.txt`));
  });

  it('resolves to the same policy when what was printed is loaded', () => {
    const first = okOf(`routes: [{ name: r, profile: ${name} }]`);

    const again = loadConfigText(printConfig(first.effective), 'printed.yaml', {});

    expect(again.kind === 'ok' ? again.config.routes : null).toEqual(first.config.routes);
  });

  it('loads without a warning, on a route and in defaults, and both come to the same', () => {
    const onRoute = okOf(`routes: [{ name: r, profile: ${name} }]`);
    const inDefaults = okOf(`defaults: { profile: ${name} }\nroutes: [{ name: r }]`);

    expect([onRoute.config.warnings, inDefaults.config.warnings]).toEqual([[], []]);
    expect(inDefaults.config.routes).toEqual(onRoute.config.routes);
  });

  it('gives way to the route in every value that it sets', () => {
    const overridden = Object.keys(profileOf(name).values).map((field) => {
      const own = routeOf(
        field === 'unknownRetain' ? 'routes: [{ name: r, unknownRetain: 20d }]' : 'routes: [{ name: r }]',
      );
      const loaded = okOf(
        `routes: [{ name: r, profile: ${name}, ${BUILT_IN[field] ?? `${field}: ?`}${WITH[field] ?? ''} }]`,
      );
      return [field, loaded.config.routes[0], own] as const;
    });

    for (const [field, route, own] of overridden) expect(pick(route, field)).toEqual(pick(own, field));
  });
});

/** Each field with its built-in default in full, so that nothing of the profile is left of it. */
const BUILT_IN: Readonly<Record<string, string>> = {
  key: 'key: { sources: [{ header: Idempotency-Key }], syntax: lenient, minLength: 1, maxLength: 255, characters: visible-ascii, required: false }',
  keyIdempotentMethods: 'keyIdempotentMethods: false',
  scope: 'scope: { headers: [Authorization], cookies: [], anonymous: refuse, sigv4: false }',
  inFlight: 'inFlight: { wait: 2s, waiters: 100 }',
  retain: 'retain: 24h',
  unknownRetain: 'unknownRetain: 20d',
  fingerprint: 'fingerprint: { query: raw, body: bytes, headers: [Content-Type, Content-Encoding] }',
  status:
    'status: { 4xx: complete, 400: complete, 401: release, 404: complete, 408: park, 425: release, 429: release }',
  dialect:
    'dialect: { errors: problem, statuses: { key-reused: 422 }, echoKey: off, repeatability: off, jsonRpc: off, grpc: off }',
  replay: 'replay: { withhold: [] }',
};

/** What would not go together with a value that is put back alone. */
const WITH: Readonly<Record<string, string>> = { key: ', dialect: { repeatability: off }' };

const RESOLVED: Readonly<Record<string, readonly string[]>> = {
  keyIdempotentMethods: ['idempotentMethods'],
  retain: ['retainMs'],
  unknownRetain: ['unknownRetainMs'],
  dialect: ['dialect', 'errors'],
};

function pick(route: unknown, field: string): unknown {
  const path = RESOLVED[field] ?? [field];
  let value: unknown = route;
  for (const step of path)
    value =
      typeof value === 'object' && value !== null ? new Map(Object.entries(value)).get(step) : undefined;
  return field === 'dialect' ? (value ?? 'problem') : value;
}

describe('who has the last word', () => {
  it('the profile of a route is above defaults, and the route above both', () => {
    const route = routeOf(
      'defaults: { inFlight: { wait: 5s }, retain: 2h, lease: 20s }\nroutes: [{ name: r, profile: stripe, retain: 3h }]',
    );

    expect(route).toMatchObject({ inFlight: { kind: 'reject' }, retainMs: 10_800_000, leaseMs: 20_000 });
  });

  it('defaults are above their own profile', () => {
    const route = routeOf('defaults: { profile: stripe, retain: 2h }\nroutes: [{ name: r }]');

    expect(route).toMatchObject({ profile: 'stripe', retainMs: 7_200_000, inFlight: { kind: 'reject' } });
  });

  it('a route with a profile of its own, or none, takes nothing from that of defaults', () => {
    const loaded = okOf(
      'defaults: { profile: stripe, lease: 20s }\nroutes: [{ name: a, match: { path: /a }, profile: ietf }, { name: b, profile: none }]',
    );

    expect(loaded.config.routes).toMatchObject([
      { key: { syntax: 'strict' }, inFlight: { kind: 'join' }, dialect: null, leaseMs: 20_000 },
      { key: { syntax: 'lenient' }, inFlight: { kind: 'join' }, dialect: null, leaseMs: 20_000 },
    ]);
  });

  it('a section of a profile is merged field by field, a list replaced', () => {
    const route = routeOf(
      'routes: [{ name: r, profile: stripe, key: { maxLength: 64 }, scope: { headers: [X-Account] }, dialect: { statuses: { in-flight: 423 } } }]',
    );

    expect(route).toMatchObject({
      key: { charsMax: 64, sources: [{ kind: 'header', name: 'idempotency-key' }] },
      scope: { headers: ['x-account'] },
      dialect: { errors: 'stripe', statuses: { 'key-reused': 400, 'in-flight': 423 } },
    });
  });
});

describe('a fault of a merged policy', () => {
  it('is blamed on the line that the route has written', () => {
    expect(faultsOf('routes:\n  - name: r\n    profile: stripe\n    lease: 48h\n')).toEqual([
      'o.yaml:5:12: routes[0].lease: lease is longer than retain',
    ]);
  });

  it('is blamed on the line of the profile where nothing else was written', () => {
    expect(
      faultsOf(
        'defaults: { retain: 2h, unknownRetain: 2h }\nroutes:\n  - name: r\n    profile: stripe\n    unknownRetain: 2h\n',
      ),
    ).toEqual([
      'o.yaml:6:20: routes[0].unknownRetain: retain is longer than unknownRetain: a request whose outcome is unknown would be forgotten before a completed one; raise unknownRetain',
    ]);
    expect(
      faultsOf('defaults: { retain: 2h, unknownRetain: 2h }\nroutes:\n  - name: r\n    profile: stripe\n')[0],
    ).toContain('o.yaml:2:');
  });

  it('names a profile that is meant', () => {
    expect(faultsOf('routes:\n  - name: r\n    profile: strip\n')[0]).toMatch(
      /^o\.yaml:4:14: routes\[0\]\.profile: must be .*; did you mean stripe\?$/,
    );
  });

  it('is found in dialect: an unknown problem, a status that is no refusal', () => {
    const faults = faultsOf(
      'routes:\n  - name: r\n    dialect: { statuses: { key-reusd: 400, in-flight: 200 } }\n',
    );

    expect(faults).toHaveLength(2);
    expect(faults[0]).toMatch(/key-reusd: is no such problem; did you mean key-reused\?/);
    expect(faults[1]).toContain('in-flight: must be a whole number from 400 to 599');
  });
});

describe('repeatability', () => {
  const route = (fields: string): string =>
    `routes:\n  - name: r\n    profile: azure-repeatability\n    ${fields}\n`;

  it.each([
    ['retain: 23h', /^o\.yaml:5:13: .*window and ahead together are longer than retain/],
    ['dialect: { repeatability: { window: 24h } }', /^o\.yaml:5:41: .*window and ahead together/],
    ['key: { sources: [{ header: X-Id }] }', /^o\.yaml:5:\d+: .*needs key\.sources/],
    ['dialect: { repeatability: { window: 1m } }', /window: must be from 5m to/],
    ['dialect: { repeatability: maybe }', /must be off or unsupported|must be off, unsupported or/],
  ])('with %s is a fault at that line', (fields, message) => {
    expect(faultsOf(route(fields))[0]).toMatch(message);
  });

  it.each([
    ['onStoreDown: forward', 'onStoreDown: a request that asks'],
    ['fingerprint: { headers: [Content-Type] }', 'fingerprint.headers leaves out'],
  ])('with %s is warned of', (fields, message) => {
    expect(okOf(route(fields)).config.warnings.join()).toContain(message);
  });

  it('at the very edge of retain is allowed', () => {
    expect(faultsOf(route('retain: 1384m'))).toHaveLength(1);
    expect(faultsOf(route('retain: 1385m'))).toEqual([]);
  });
});

describe('unmatched: bypass', () => {
  it('asks nothing of a request that is on no route, whatever the profile of defaults', () => {
    for (const name of ['azure-repeatability', 'mcp']) {
      const { fallback } = okOf(`unmatched: bypass\ndefaults: { profile: ${name} }`).config;

      expect(fallback).toMatchObject({ policy: { dialect: { repeatability: null, jsonRpc: null } } });
    }
  });
});

describe('JSON-RPC', () => {
  const route = (fields: string): string => `routes:\n  - name: r\n    profile: mcp\n    ${fields}\n`;

  it.each([
    ['fingerprint: { body: bytes }', 'fingerprint.body compares the id'],
    ['fingerprint: { body: { exclude: [/params/_meta] } }', 'fingerprint.body compares the id'],
    ['fingerprint: { body: { select: [/params] } }', ''],
    ['fingerprint: { body: none }', ''],
  ])('with %s is warned of where a repeat would be another request', (fields, message) => {
    expect(okOf(route(fields)).config.warnings.join()).toContain(message);
    if (message === '') expect(okOf(route(fields)).config.warnings).toEqual([]);
  });

  it('goes with no task, sequence or message', () => {
    expect(faultsOf(route('task: {}'))[0]).toMatch(/^o\.yaml:5:\d+: .*does not go together with task/);
    expect(faultsOf(route('sequence: {}')).join('\n')).toContain('does not go together with sequence');
  });

  it('needs a method', () => {
    expect(faultsOf(route('dialect: { jsonRpc: { methods: [] } }'))[0]).toContain(
      'needs at least one method',
    );
  });
});

describe('docs/dialects.md', () => {
  it('has a section for every profile, and none for another', () => {
    const sections = [...renderDialectDocs().matchAll(/^## (\S+)$/gm)].map(([, name]) => name);

    expect(sections).toEqual([...PROFILE_NAMES]);
  });
});
