import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import { startAdminServer } from '../../src/admin/admin-server.ts';
import { createHealth } from '../../src/admin/health.ts';
import { startObserveServer } from '../../src/admin/observe-server.ts';
import {
  container,
  MANIFESTS,
  podOf,
  portOf,
  resource,
  resourcesOf,
  rootFile,
  workload,
  writtenConfig,
} from './manifests.ts';

describe.each(MANIFESTS)('%s', (name) => {
  const config = writtenConfig(name);
  const onceward = container(name, 'onceward');
  const backend = container(name, 'backend');
  const pod = podOf(name);

  it('names no namespace', () => {
    for (const one of resourcesOf(name)) expect(one.metadata.namespace).toBeUndefined();
  });

  it('the Service leads to the port Onceward listens on, and not to the backend', () => {
    const port = resource(name, 'Service', 'payments').spec?.ports?.[0]?.targetPort;

    expect(port).toBe(portOf(config.listen));
    expect(port).not.toBe(portOf(config.upstream.url));
    expect(onceward.ports).toContainEqual({ name: 'proxy', containerPort: port });
  });

  it('Onceward forwards to where the backend listens, on loopback', () => {
    const env = new Map(backend.env?.map((one) => [one.name, one.value]));

    expect(config.upstream.url).toBe(`http://${env.get('HOST')}:${env.get('PORT')}`);
    expect(env.get('HOST')).toBe('127.0.0.1');
  });

  it('proxy and observe ports are reachable from outside the pod, the admin port is not', () => {
    expect(config.listen).toMatch(/^0\.0\.0\.0:/);
    expect(config.observe.listen).toMatch(/^0\.0\.0\.0:/);
    expect(config.admin.listen).toMatch(/^127\.0\.0\.1:/);
  });

  it('probes and scrapes ask the observe port', () => {
    const observe = onceward.ports?.find((port) => port.containerPort === portOf(config.observe.listen));

    expect(observe?.name).toBe('observe');
    expect(onceward.startupProbe?.httpGet).toEqual({ path: '/livez', port: 'observe' });
    expect(onceward.livenessProbe?.httpGet).toEqual({ path: '/livez', port: 'observe' });
    expect(onceward.readinessProbe?.httpGet).toEqual({ path: '/readyz', port: 'observe' });
    expect(workload(name).spec?.template?.metadata.annotations).toEqual({
      'prometheus.io/scrape': 'true',
      'prometheus.io/port': String(portOf(config.observe.listen)),
      'prometheus.io/path': '/metrics',
    });
  });

  it('Onceward is a native sidecar', () => {
    expect(pod.initContainers.map((one) => [one.name, one.restartPolicy])).toEqual([['onceward', 'Always']]);
  });

  it('no container has more rights than it needs', () => {
    expect(pod.securityContext).toMatchObject({
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(pod.securityContext.runAsUser).toBeGreaterThan(0);
    expect(pod.automountServiceAccountToken).toBe(false);
    for (const one of [onceward, backend]) {
      expect(one.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(one.resources?.limits?.memory).toMatch(/^\d+Mi$/);
    }
  });

  it('the grace period has room for the drain and the end of the backend', () => {
    const drainSeconds = Number.parseInt(config.drain.delay, 10) + Number.parseInt(config.drain.timeout, 10);

    expect(drainSeconds).toBeGreaterThan(0);
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(drainSeconds + 10);
  });

  it('every mounted volume exists, and every ConfigMap it is made of', () => {
    const claims = workload(name).spec?.volumeClaimTemplates?.map((claim) => claim.metadata.name) ?? [];
    const volumes = [...pod.volumes.map((volume) => volume.name), ...claims];
    const maps = resourcesOf(name).filter((one) => one.kind === 'ConfigMap');

    for (const one of [onceward, backend]) {
      for (const mount of one.volumeMounts ?? []) expect(volumes).toContain(mount.name);
    }
    for (const volume of pod.volumes)
      expect(maps.map((map) => map.metadata.name)).toContain(volume.configMap?.name);
  });

  it('the configuration file is mounted where the command reads it', () => {
    const mount = onceward.volumeMounts?.find((one) => one.name === 'onceward-config');

    expect(onceward.args).toEqual(['run', '--config', `${mount?.mountPath}/onceward.yaml`]);
  });

  it('the backend in the ConfigMap is the one in examples', () => {
    const embedded = resource(name, 'ConfigMap', 'payments-backend').data?.['payments-backend.mjs'];

    expect(embedded).toBe(rootFile('examples/payments-backend.mjs'));
  });

  it('the hook of Onceward asks it to drain', async () => {
    const drained: string[] = [];
    const admin = await startAdminServer({
      listen: { host: '127.0.0.1', port: 0 },
      actions: { drain: () => drained.push('drain') },
      status: () => {
        throw new Error('not asked for');
      },
      routes: [],
      observe: null,
      onError: () => undefined,
    });

    const code = await runHook(
      onceward.lifecycle?.preStop?.exec?.command,
      portOf(config.admin.listen),
      admin.address.port,
    );
    await admin.close();

    expect([code, drained]).toEqual([0, ['drain']]);
  });

  it('the hook of the backend ends when Onceward has gone, and not before', async () => {
    let asked = 0;
    let secondAsked = (): void => undefined;
    const askedTwice = new Promise<void>((resolve) => {
      secondAsked = resolve;
    });
    const observe = await startObserveServer({
      listen: { host: '127.0.0.1', port: 0 },
      health: createHealth({ checks: [] }),
      metrics: { render: () => Promise.reject(new Error('not asked for')) },
      onError: () => undefined,
    });
    const relay = await countingRelay(observe.address.port, () => {
      asked += 1;
      if (asked === 2) secondAsked();
    });

    const hook = runHook(
      backend.lifecycle?.preStop?.exec?.command,
      portOf(config.observe.listen),
      relay.port,
    );
    await askedTwice;
    await relay.close();
    await observe.close();

    expect(await hook).toBe(0);
    expect(asked).toBeGreaterThanOrEqual(2);
  });
});

describe('the variants', () => {
  it('the one with LMDB has one replica, a volume and its group', () => {
    const found = workload('lmdb-statefulset.yaml');
    const mount = container('lmdb-statefulset.yaml', 'onceward').volumeMounts?.find(
      (one) => one.name === 'onceward-data',
    );

    expect([found.kind, found.spec?.replicas]).toEqual(['StatefulSet', 1]);
    expect(mount?.mountPath).toBe('/var/lib/onceward');
    expect(podOf('lmdb-statefulset.yaml').securityContext.fsGroup).toBe(1000);
  });

  it('the one with Redis has several replicas and takes its secrets from a Secret', () => {
    const env = container('redis-deployment.yaml', 'onceward').env ?? [];

    expect(workload('redis-deployment.yaml').spec?.replicas).toBeGreaterThan(1);
    expect(env.map((one) => one.name)).toEqual(['ONCEWARD_SECRET', 'ONCEWARD_REDIS_URL']);
    expect(env.map((one) => one.value)).toEqual([undefined, undefined]);
  });
});

/** Runs the command of a hook for real, at another port. Resolves with its exit code. */
function runHook(
  command: readonly string[] | undefined,
  port: number,
  actualPort: number,
): Promise<number | null> {
  const [program, ...args] = command ?? [];
  expect(program).toBe('node');
  const moved = args.map((arg) => arg.replaceAll(`:${port}/`, `:${actualPort}/`));
  expect(moved).not.toEqual(args);
  const child = spawn(process.execPath, moved, { stdio: ['ignore', 'ignore', 'inherit'] });
  return new Promise((resolve) => child.once('exit', resolve));
}

async function countingRelay(
  port: number,
  onRequest: () => void,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const relay = createServer((request, response) => {
    onRequest();
    fetch(`http://127.0.0.1:${port}${request.url ?? ''}`)
      .then((answer) => response.writeHead(answer.status).end())
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  const address = relay.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: () =>
      new Promise((resolve) => {
        relay.close(() => resolve());
        relay.closeAllConnections();
      }),
  };
}
