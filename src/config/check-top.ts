// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the syntax of variables in the file.
import { isIP } from 'node:net';
import { SHARED_STORES, STORE_FIELDS } from './defaults.ts';
import type { Env } from './env.ts';
import type { ListenAddress } from './resolved.ts';
import type { Top } from './schema.ts';
import type { ConfigPath } from './tree.ts';
import { formatDuration } from './units.ts';

/** What one field alone cannot tell: faults and warnings between fields outside the policies. */

export type Finding = {
  readonly severity: 'fault' | 'warning';
  /** The fields it is about; the first that stands in the file is blamed. */
  readonly paths: readonly ConfigPath[];
  readonly message: string;
};

export function fault(message: string, ...paths: readonly ConfigPath[]): Finding {
  return { severity: 'fault', paths, message };
}

export function warning(message: string, ...paths: readonly ConfigPath[]): Finding {
  return { severity: 'warning', paths, message };
}

/** `storeNames`: the fields of `store` that the file has. */
export function checkTop(top: Top, storeNames: readonly string[], env: Env): readonly Finding[] {
  return [
    ...checkStore(top, storeNames, env),
    ...checkRedis(top),
    ...checkWorkers(top),
    ...checkSecrets(top),
    ...checkEncryption(top),
    ...checkTls(top),
    ...checkPorts(top),
    ...checkUpstream(top),
    ...checkUpstreamTls(top),
    ...checkReuse(top),
    ...checkLimits(top),
  ];
}

function checkStore({ store }: Top, storeNames: readonly string[], env: Env): readonly Finding[] {
  const { kind } = store.url;
  const found: Finding[] = [];
  for (const name of storeNames) {
    const isStranger = !STORE_FIELDS[kind].some((known) => known === name);
    const owners = Object.entries(STORE_FIELDS).filter(([, names]) => names.some((known) => known === name));
    // A name that no store has is a fault of the schema already.
    if (isStranger && owners.length > 0)
      found.push(
        fault(`has no effect on ${kind}; it belongs to ${owners.map(([owner]) => owner).join(' and ')}`, [
          'store',
          name,
        ]),
      );
  }
  const inKubernetes = (env.KUBERNETES_SERVICE_HOST ?? '') !== '';
  if (!SHARED_STORES.includes(kind) && inKubernetes && !store.singleReplica) {
    const message = `${kind} inside Kubernetes: every replica would have records of its own, and a retry that reaches another one would execute again; use redis://… or postgres://…, or set store.singleReplica: true for a StatefulSet of one`;
    found.push(fault(message, ['store', 'url'], ['store']));
  }
  return found;
}

/** `auto` too, whatever this machine has: a file must not be right on one machine and wrong on the next. */
function checkWorkers({ store, workers }: Top): readonly Finding[] {
  if (store.url.kind !== 'memory' || workers === 1) return [];
  const message =
    'the memory store belongs to one process, and every worker would have records of its own; set workers: 1, or use lmdb:PATH';
  return [fault(message, ['workers'])];
}

function checkRedis({ store }: Top): readonly Finding[] {
  if (store.url.kind !== 'redis') return [];
  const { cluster, sentinel, nodes, tls, wait, deadline } = store;
  const { url } = store.url;
  const found: Finding[] = [];
  if (cluster && sentinel !== undefined) {
    const message = 'and store.cluster exclude each other: a cluster fails over by itself; remove one';
    found.push(fault(message, ['store', 'sentinel']));
  }
  if (cluster && !/^\/?0*$/.test(new URL(url).pathname))
    found.push(
      fault('names a database, and a cluster has only 0; leave it out', ['store', 'url'], ['store']),
    );
  if (!cluster && sentinel === undefined && nodes.length > 0) {
    const message = 'has no effect on a single server; set store.cluster: true, or store.sentinel.name';
    found.push(fault(message, ['store', 'nodes']));
  }
  if (tls !== undefined && !url.startsWith('rediss:')) {
    const message = 'has no effect on redis://; write store.url as rediss://, or remove it';
    found.push(fault(message, ['store', 'tls']));
  }
  found.push(...checkPair({ cert: tls?.cert, key: tls?.key }, ['store', 'tls']));
  if (wait.replicas > 0 && wait.timeout * 3 > deadline) {
    const message = `is more than a third of store.deadline (${formatDuration(deadline)}): the claim before and the release after it must fit in as well`;
    found.push(fault(message, ['store', 'wait', 'timeout'], ['store', 'wait', 'replicas']));
  }
  return found;
}

/** A certificate and its key, by the names of their fields: one alone proves nothing. */
function checkPair(
  pair: Readonly<Record<string, string | undefined>>,
  around: ConfigPath,
): readonly Finding[] {
  const names = Object.keys(pair);
  const given = names.filter((name) => pair[name] !== undefined);
  if (given.length !== 1) return [];
  // The one that is there stands in the file, and is blamed.
  return [fault(`needs both ${names.join(' and ')}, or neither`, [...around, ...given])];
}

function checkSecrets({ store, secrets }: Top): readonly Finding[] {
  const found: Finding[] = [];
  if (SHARED_STORES.includes(store.url.kind) && secrets.length === 0) {
    found.push(
      fault(
        `${store.url.kind} needs secrets, the same for every replica: write secrets: ["\${ONCEWARD_SECRET}"] (without a file, set the variable alone), with a value from: openssl rand -hex 32`,
        ['store', 'url'],
        ['store'],
      ),
    );
  }
  for (const [index, secret] of secrets.entries()) {
    if (secrets.indexOf(secret) < index) found.push(fault('is there twice', ['secrets', index]));
  }
  return found;
}

function checkEncryption({ encryption: { keys, bind, responses } }: Top): readonly Finding[] {
  const found: Finding[] = [];
  for (const [index, { id, key }] of keys.entries()) {
    const before = keys.slice(0, index);
    if (before.some((other) => other.id === id))
      found.push(
        fault('is there twice; a response says by the id which key it needs', [
          'encryption',
          'keys',
          index,
          'id',
        ]),
      );
    if (before.some((other) => other.key === key))
      found.push(fault('is there twice; a rotation needs a new key', ['encryption', 'keys', index, 'key']));
  }
  if (keys.length > 0) return found;
  // Whoever asks for a part of it believes that something is encrypted.
  if (bind === 'client') found.push(fault('has no effect without encryption.keys', ['encryption', 'bind']));
  if (responses !== 'sealed')
    found.push(fault('has no effect without encryption.keys', ['encryption', 'responses']));
  return found;
}

function checkTls({ tls }: Top): readonly Finding[] {
  if (tls === 'off' || tls.clientCertificates === undefined || tls.clientCa !== undefined) return [];
  return [
    fault('has no effect without tls.clientCa, which says whose certificates count', [
      'tls',
      'clientCertificates',
    ]),
  ];
}

function checkPorts(top: Top): readonly Finding[] {
  const found: Finding[] = [];
  const ports: { readonly path: ConfigPath; readonly name: string; readonly address: ListenAddress }[] = [
    { path: ['listen'], name: 'listen', address: top.listen },
  ];
  for (const name of ['observe', 'admin'] as const) {
    const port = top[name];
    if (port !== null && port !== 'off')
      ports.push({ path: [name, 'listen'], name: `${name}.listen`, address: port.listen });
  }
  for (const [index, port] of ports.entries()) {
    const other = ports.slice(0, index).find(({ address }) => overlaps(address, port.address));
    if (other !== undefined)
      found.push(
        fault(`${other.name} and ${port.name} are the same port; give each its own`, port.path, other.path),
      );
  }
  const { admin } = top;
  if (admin !== null && admin !== 'off' && !isLoopback(admin.listen.host)) {
    found.push(
      warning('whoever reaches this address can free keys and stop the process; keep it on 127.0.0.1', [
        'admin',
        'listen',
      ]),
    );
  }
  return found;
}

function overlaps(a: ListenAddress, b: ListenAddress): boolean {
  if (a.port !== b.port || a.port === 0) return false;
  return a.host === b.host || [a.host, b.host].some((host) => host === '0.0.0.0' || host === '::');
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function checkReuse({ upstream: { protocol, reuse } }: Top): readonly Finding[] {
  if (reuse === 'recent' || protocol === 'http1') return [];
  return [
    fault(
      'has no effect with upstream.protocol: http2; remove one',
      ['upstream', 'reuse'],
      ['upstream', 'protocol'],
    ),
  ];
}

function checkUpstreamTls({ upstream: { url, tls } }: Top): readonly Finding[] {
  if (tls === undefined) return [];
  const found: Finding[] = [];
  if (!url.startsWith('https:'))
    found.push(
      fault('has no effect on http://; write upstream.url as https://, or remove it', ['upstream', 'tls']),
    );
  found.push(...checkPair({ certificate: tls.certificate, key: tls.key }, ['upstream', 'tls']));
  return found;
}

function checkUpstream({ upstream, listen }: Top): readonly Finding[] {
  const found: Finding[] = [];
  const url = new URL(upstream.url);
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  const isHere =
    url.hostname === listen.host ||
    (isLoopback(url.hostname) && (isLoopback(listen.host) || listen.host === '0.0.0.0'));
  if (port === listen.port && isHere)
    found.push(
      fault(
        'upstream.url is the address on which Onceward itself listens; every request would go round for ever',
        ['upstream', 'url'],
        ['listen'],
      ),
    );
  if (upstream.totalTimeout > 0 && upstream.totalTimeout < upstream.headTimeout) {
    found.push(
      warning(
        'upstream.headTimeout is longer than upstream.totalTimeout, and so never reached',
        ['upstream', 'headTimeout'],
        ['upstream', 'totalTimeout'],
      ),
    );
  }
  return found;
}

function checkLimits({ limits }: Top): readonly Finding[] {
  const { refusePercent, stopPercent } = limits.memory;
  if (stopPercent >= refusePercent) return [];
  return [
    fault(
      'limits.memory.stopPercent is below refusePercent; requests are refused first, then connections',
      ['limits', 'memory', 'stopPercent'],
      ['limits', 'memory', 'refusePercent'],
    ),
  ];
}
