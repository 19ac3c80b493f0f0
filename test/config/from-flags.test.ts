import { describe, expect, it } from 'vitest';
import { configFromFlags } from '../../src/config/from-flags.ts';
import { loadConfigText } from '../../src/config/load.ts';

const UPSTREAM = 'http://127.0.0.1:3000';

function resolved(options: Partial<Parameters<typeof configFromFlags>[0]>) {
  const loaded = configFromFlags({ upstream: UPSTREAM, env: {}, ...options });
  if (loaded.kind === 'ok') return loaded;
  throw new Error(loaded.faults.map(({ text }) => text).join('\n'));
}

function faultsOf(options: Partial<Parameters<typeof configFromFlags>[0]>): readonly string[] {
  const loaded = configFromFlags({ upstream: UPSTREAM, env: {}, ...options });
  return loaded.kind === 'faults' ? loaded.faults.map(({ text }) => text) : [];
}

describe('a run without a file', () => {
  it('differs from the least file only in that it allows anonymous callers, and says so', () => {
    const flags = resolved({}).config;
    const file = loadConfigText(
      `upstream: { url: "${UPSTREAM}" }\ndefaults: { scope: { anonymous: allow } }`,
      'o.yaml',
      {},
    );

    expect(file.kind === 'ok' ? { ...file.config, warnings: flags.warnings } : null).toEqual(flags);
    expect(flags.warnings).toEqual([expect.stringContaining('share one scope (scope.anonymous: allow)')]);
  });

  it('takes admin and observe on one port where --admin is given', () => {
    const { config } = resolved({ admin: '127.0.0.1:9000' });

    expect([config.admin, config.observe]).toEqual([{ host: '127.0.0.1', port: 9000 }, null]);
  });

  it('has no other port where observe is off', () => {
    const { config } = resolved({ observe: 'off' });

    expect([config.admin, config.observe]).toEqual([null, null]);
  });

  it.each(['memory:', 'memory', 'lmdb:./data', 'lmdb:/var/lib/onceward'])('takes --store %s', (store) => {
    expect(resolved({ store }).config.store.kind).toBe(store.startsWith('memory') ? 'memory' : 'lmdb');
  });

  it('takes the secret for Redis from the environment', () => {
    const secret = '0123456789abcdef0123456789abcdef';

    expect(resolved({ store: 'redis://h', env: { ONCEWARD_SECRET: secret } }).config.secrets).toEqual([
      secret,
    ]);
  });

  it('remembers which flag a value comes from', () => {
    const { origins } = resolved({ listen: '127.0.0.1:1', store: 'memory:' });

    expect([
      origins.get('listen'),
      origins.get('store.url'),
      origins.get('upstream.url'),
      origins.get('limits.head'),
    ]).toEqual(['flag --listen', 'flag --store', 'flag --upstream', 'default']);
  });

  it.each([
    [
      { upstream: 'backend' },
      '--upstream: upstream.url: is not a URL of the kind http://host:port or https://host:port',
    ],
    [
      { listen: '8080' },
      '--listen: listen: is not an address; write host:port, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:8080',
    ],
    [
      { listen: '127.0.0.1:3000' },
      '--upstream: upstream.url: upstream.url is the address on which Onceward itself listens; every request would go round for ever',
    ],
    [
      { store: 'sqlite:x' },
      '--store: store.url: must be lmdb:PATH, redis://HOST:PORT, rediss://HOST:PORT, postgres://HOST:PORT/DB or memory',
    ],
  ])('%j is refused with the flag', (options, text) => {
    expect(faultsOf(options)).toEqual([text]);
  });

  it('inside Kubernetes is refused with a store of its own, unless it says that it is alone', () => {
    const env = { KUBERNETES_SERVICE_HOST: '10.0.0.1' };

    expect(faultsOf({ env })).toEqual([expect.stringContaining('inside Kubernetes')]);
    expect(resolved({ env, replicas: 'single' }).config.store.kind).toBe('lmdb');
  });
});
