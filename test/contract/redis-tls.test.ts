import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { createRedisOpener, NO_TLS_FILES } from '../support/redis-opener.ts';
import { type RedisServer, startRedisServer } from '../support/redis-server.ts';
import { FULL, granted, newRecordKey, requestOf, responseOf } from './harness.ts';

/** A server that asks clients for a certificate, with a user who may do what docs/operations.md says and no more. */

const UNIT_MS = 60_000;
const COMMANDS =
  '+ping +info +config|get +eval +evalsha +script|load +time +get +set +hget +hmget +hset +hdel +del +pexpire +pttl +publish +subscribe +scan +dbsize +quit +wait';

const opener = createRedisOpener();
const folder = mkdtempSync(join(tmpdir(), 'onceward-redis-tls-'));
const file = (name: string): string => join(folder, name);
let server: RedisServer;
let port = 0;

function openssl(...words: readonly string[]): void {
  execFileSync('openssl', words, { stdio: 'ignore', cwd: folder });
}

/** Signed by the authority of this test. */
function certificate(name: string, alternative: string): void {
  const request = ['req', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${name}`];
  openssl(...request, '-keyout', `${name}.key`, '-out', `${name}.csr`);
  writeFileSync(file(`${name}.ext`), `subjectAltName=${alternative}\n`);
  const authority = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'];
  openssl(
    ...['x509', '-req', '-in', `${name}.csr`, ...authority, '-days', '2', '-extfile', `${name}.ext`],
    ...['-out', `${name}.pem`],
  );
}

beforeAll(async () => {
  const authority = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=authority'];
  openssl(...authority, '-keyout', 'ca.key', '-out', 'ca.pem');
  openssl(...authority, '-keyout', 'stranger.key', '-out', 'stranger.pem');
  certificate('server', 'DNS:localhost,DNS:redis.test');
  certificate('client', 'DNS:onceward');
  port = await freePort();
  server = await startRedisServer({
    tlsPort: port,
    config: [
      ...['tls-cert-file', file('server.pem'), 'tls-key-file', file('server.key')],
      ...['tls-ca-cert-file', file('ca.pem'), 'tls-auth-clients', 'yes'],
    ],
  });
  const rules = ['on', '>pa55:word', '~onceward:*', '&onceward:settled', ...COMMANDS.split(' ')];
  await server.command('ACL', 'SETUSER', 'onceward', 'reset', ...rules);
});

afterEach(async () => {
  await opener.closeAll();
});

afterAll(async () => {
  await server.remove();
  rmSync(folder, { recursive: true, force: true });
});

const ours = {
  ...NO_TLS_FILES,
  caFile: file('ca.pem'),
  certFile: file('client.pem'),
  keyFile: file('client.key'),
};
const at = (host: string, user = 'onceward'): string =>
  `rediss://${user}:${encodeURIComponent('pa55:word')}@${host}:${port}`;

describe('a redis store over TLS', () => {
  it('does everything that a store does, as a user with the documented commands only', async () => {
    const store = await opener.open(at('localhost'), { tls: ours, keyPrefix: 'onceward:' });
    const woken = store.settled('somebody', new AbortController().signal);

    const { claim } = await granted(store, newRecordKey(), requestOf(UNIT_MS, { state: 'claimed' }));
    expect(await store.dispatch(claim)).toBe('ok');
    expect(await store.renew(claim, UNIT_MS)).toBe('ok');
    expect(await store.complete(claim, FULL, UNIT_MS)).toBe('ok');
    expect(responseOf(await store.claim(claim.recordKey, requestOf(UNIT_MS)))).toEqual(FULL);
    const parked = await granted(store, newRecordKey(), requestOf(UNIT_MS));
    expect(await store.park(parked.claim, 'reset')).toBe('ok');
    expect(
      await store.resolve(parked.claim.recordKey, parked.claim.token, { kind: 'released', quietMs: 0 }),
    ).toBe('ok');
    const released = requestOf(UNIT_MS);
    await granted(store, parked.claim.recordKey, released);
    expect(await store.releaseOwner(parked.claim.recordKey, released.owner)).toBe('ok');
    expect((await store.list(null, { state: null, limit: 10 })).records).toHaveLength(2);
    expect((await store.stats()).records).toBe(2);
    expect(await store.forget(claim.recordKey, 'settled-only')).toBe('ok');
    await store.ping();
    await woken;
    expect(await server.command('ACL', 'LOG')).toEqual([]);
  });

  it('believes a name that stands in the certificate instead of the address', async () => {
    const tls = { ...ours, serverName: 'redis.test' };

    await expect(opener.open(at('127.0.0.1'), { tls, keyPrefix: 'onceward:' })).resolves.toBeDefined();
  });

  it.each([
    ['an address that is not in the certificate', '127.0.0.1', ours, /cannot be used \(.*(IP|altnames)/],
    [
      'an authority that did not sign it',
      'localhost',
      { ...ours, caFile: file('stranger.pem') },
      /cannot be used/,
    ],
    [
      'the authorities of the system',
      'localhost',
      { ...ours, caFile: null },
      /cannot be used \(.*(self-signed|unable to verify)/,
    ],
    ['no certificate of its own', 'localhost', { ...ours, certFile: null, keyFile: null }, /cannot be used/],
    [
      'a file that is not there',
      'localhost',
      { ...ours, caFile: file('nowhere.pem') },
      /store\.tls\.ca cannot be read \(ENOENT\)/,
    ],
    [
      'a file that is no certificate',
      'localhost',
      { ...ours, certFile: file('client.ext') },
      /store\.tls\.cert is no PEM file/,
    ],
  ])('refuses to start with %s', async (_name, host, tls, why) => {
    await expect(opener.open(at(host), { tls, keyPrefix: 'onceward:' })).rejects.toThrow(why);
  });

  it('refuses another user without telling the password', async () => {
    const opening = opener.open(at('localhost', 'stranger'), { tls: ours, keyPrefix: 'onceward:' });

    await expect(opening).rejects.toThrow(/refuses the login/);
    await expect(opening).rejects.not.toThrow(/pa55/);
  });
});
