import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfigFile } from '../../src/config/load.ts';
import { MANIFESTS, type ManifestName, oncewardYaml, portOf, writtenConfig } from './manifests.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'onceward-manifest-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const IN_A_POD = {
  KUBERNETES_SERVICE_HOST: '10.96.0.1',
  ONCEWARD_SECRET: '0123456789abcdef'.repeat(4),
  ONCEWARD_REDIS_URL: 'rediss://:password@redis.example:6379',
};

function load(name: ManifestName, env: Readonly<Record<string, string>>) {
  const file = join(folder, 'onceward.yaml');
  writeFileSync(file, oncewardYaml(name));
  return loadConfigFile(file, env);
}

describe.each(MANIFESTS)('the configuration in %s', (name) => {
  it('loads inside Kubernetes without a fault', async () => {
    const loaded = await load(name, IN_A_POD);

    if (loaded.kind === 'faults') throw new Error(loaded.faults.map((fault) => fault.text).join('\n'));
    const written = writtenConfig(name);
    expect(loaded.config.listen.port).toBe(portOf(written.listen));
    expect(loaded.config.observe?.port).toBe(portOf(written.observe.listen));
    expect(loaded.config.upstream.origin).toBe(written.upstream.url);
    expect(loaded.config.routes.map((route) => route.name)).toEqual(['payments']);
    expect(loaded.config.drain).toEqual({ delayMs: 5_000, timeoutMs: 25_000 });
  });
});

it('the one with Redis does not start without its Secret', async () => {
  const loaded = await load('redis-deployment.yaml', { KUBERNETES_SERVICE_HOST: '10.96.0.1' });

  expect(loaded.kind).toBe('faults');
});

it('the one with LMDB keeps its records on the volume', async () => {
  const loaded = await load('lmdb-statefulset.yaml', { KUBERNETES_SERVICE_HOST: '10.96.0.1' });

  expect(loaded).toMatchObject({
    kind: 'ok',
    config: { store: { kind: 'lmdb', path: '/var/lib/onceward/store' } },
  });
});
