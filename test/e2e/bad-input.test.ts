import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  baseConfig,
  type ChildProxy,
  type Folder,
  runBinary,
  startChildProxy,
  temporaryFolder,
} from '../support/child-proxy.ts';
import { type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { freePort } from '../support/free-port.ts';
import { keyed, problemCode, sendRequest } from '../support/send-request.ts';

/** Wrong files, ports, stores and requests: one clear line or a problem, never a stack trace, and the process serves on. */

let folder: Folder;

beforeAll(() => {
  folder = temporaryFolder();
  folder.file('a-file', 'not a folder');
});

afterAll(() => folder.remove());

const STACK = /^\s+at /m;

type Refusal = {
  readonly name: string;
  readonly args: () => readonly string[];
  readonly code: 1 | 2;
  readonly says: readonly string[];
};

const run = (config: object): readonly string[] => ['run', '--config', folder.config(config, 'refused.yaml')];
const upstream = 'http://127.0.0.1:9';

const REFUSALS: readonly Refusal[] = [
  {
    name: 'a configuration that is not there',
    args: () => ['run', '--config', `${folder.path}/none.yaml`],
    code: 1,
    says: ['none.yaml', 'no such file'],
  },
  {
    name: 'a configuration with faults',
    args: () => ['run', '--config', folder.file('bad.yaml', 'upstream:\n  url: nonsense\nrotues: []\n')],
    code: 1,
    says: ['bad.yaml:2:8: upstream.url:', 'bad.yaml:3:1: rotues:'],
  },
  {
    name: 'a configuration that is no YAML',
    args: () => ['run', '--config', folder.file('no.yaml', 'upstream: {url: [\n')],
    code: 1,
    says: ['no.yaml:'],
  },
  {
    name: 'an upstream that is no URL',
    args: () => ['run', '--upstream', 'nonsense', '--store', 'memory:'],
    code: 1,
    says: ['--upstream'],
  },
  {
    name: 'an upstream with a path',
    args: () => ['run', '--upstream', 'http://127.0.0.1:9/path', '--store', 'memory:'],
    code: 1,
    says: ['--upstream'],
  },
  {
    name: 'a store of unknown kind',
    args: () => ['run', '--upstream', upstream, '--store', 'mysql://127.0.0.1'],
    code: 1,
    says: ['--store', 'lmdb:'],
  },
  {
    name: 'a store path below a file',
    args: () => run(baseConfig(upstream, `lmdb:${folder.path}/a-file/data`)),
    code: 1,
    says: ['a-file/data', 'director'],
  },
  {
    name: 'a store path that is a file',
    args: () => run(baseConfig(upstream, `lmdb:${folder.path}/a-file`)),
    code: 1,
    says: ['a-file', 'director'],
  },
  {
    name: 'a Redis without a secret',
    args: () => run(baseConfig(upstream, 'redis://127.0.0.1:6379')),
    code: 1,
    says: ['secrets'],
  },
  {
    name: 'a listen address that is none',
    args: () => ['run', '--upstream', upstream, '--store', 'memory:', '--listen', '127.0.0.1'],
    code: 1,
    says: ['--listen'],
  },
  { name: 'neither a file nor an upstream', args: () => ['run'], code: 2, says: ['--config', '--upstream'] },
  {
    name: 'a flag that is not there',
    args: () => ['run', '--upsteram', upstream],
    code: 2,
    says: ['--upsteram'],
  },
];

describe('the start is refused, in plain words and without a stack trace, for', () => {
  it.each(REFUSALS)('$name', async ({ args, code, says }) => {
    const ran = await runBinary(args(), { cwd: folder.path });

    expect(ran.stderr).not.toMatch(STACK);
    expect(ran.stdout).not.toMatch(STACK);
    expect(ran.code).toBe(code);
    for (const words of says) expect(ran.stderr).toContain(words);
  });

  it('a port that is in use', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    try {
      const ran = await runBinary(run({ ...baseConfig(upstream, 'memory:'), listen: `127.0.0.1:${port}` }));

      expect(ran.code).toBe(1);
      expect(ran.stderr.trim().split('\n')).toHaveLength(1);
      expect(ran.stderr).toContain(`cannot listen on 127.0.0.1:${port}: the port is in use`);
      expect(`${ran.stdout}${ran.stderr}`).not.toMatch(STACK);
    } finally {
      server.close();
    }
  });

  it('a Redis that does not answer', async () => {
    const port = await freePort();
    const config = {
      ...baseConfig(upstream, `redis://user:pass-word@127.0.0.1:${port}`),
      secrets: ['a secret of forty characters for testing'],
    };

    const ran = await runBinary(run(config));

    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain(`127.0.0.1:${port}`);
    expect(ran.stderr).toContain('ECONNREFUSED');
    expect(ran.stderr).not.toContain('pass-word');
    expect(`${ran.stdout}${ran.stderr}`).not.toMatch(STACK);
  });
});

describe('a request that is wrong gets a problem, and the next one is served', () => {
  let backend: CountingBackend;
  let proxy: ChildProxy;

  beforeAll(async () => {
    backend = await startCountingBackend();
    const config = {
      ...baseConfig(backend.origin, `lmdb:${folder.path}/data`),
      limits: { bodyTimeout: '1s', headTimeout: '1s' },
      defaults: { limits: { request: '64KiB' } },
    };
    proxy = await startChildProxy(['--config', folder.config(config, 'serving.yaml')]);
  });

  afterAll(async () => {
    const { port } = proxy;
    const still = await sendRequest(port, { headers: keyed('at-the-end') });
    await proxy.kill();
    await backend.close();
    expect(still.status).toBe(201);
    expect(proxy.output()).not.toMatch(STACK);
    expect(proxy.output()).not.toContain('unexpected error');
  });

  it('a key of 10 kB', async () => {
    const answer = await sendRequest(proxy.port, { headers: keyed('k'.repeat(10_000)) });

    expect([answer.status, problemCode(answer)]).toEqual([400, 'key-invalid']);
    expect(answer.body.toString()).not.toContain('kkkkkkkkkk');
  });

  it('a head of 100 kB', async () => {
    const answer = await raw(proxy.port, `POST / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`);

    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
    expect(answer).toContain('"code":"head-too-large"');
  });

  it('a body over the limit, by its length', async () => {
    const answer = await sendRequest(proxy.port, { headers: keyed('large'), body: 'x'.repeat(65 * 1024) });

    expect([answer.status, problemCode(answer)]).toEqual([413, 'request-too-large']);
    expect(backend.executions('large')).toBe(0);
  });

  it('a body over the limit, in chunks', async () => {
    const chunk = `${(32 * 1024).toString(16)}\r\n${'x'.repeat(32 * 1024)}\r\n`;
    const head =
      'POST / HTTP/1.1\r\nHost: a\r\nAuthorization: b\r\nIdempotency-Key: chunked\r\nTransfer-Encoding: chunked\r\n\r\n';

    const answer = await raw(proxy.port, head + chunk.repeat(3));

    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(backend.executions('chunked')).toBe(0);
  });

  it('half a head', async () => {
    const answer = await raw(proxy.port, 'POST / HTTP/1.1\r\nHost: a\r\nIdempot');

    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('half a body, then silence', async () => {
    const answer = await raw(
      proxy.port,
      'POST / HTTP/1.1\r\nHost: a\r\nAuthorization: b\r\nIdempotency-Key: half\r\nContent-Length: 10\r\n\r\n12345',
    );

    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(backend.executions('half')).toBe(0);
  });

  it('half a body, then gone', async () => {
    const socket = connect(proxy.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(
      'POST / HTTP/1.1\r\nHost: a\r\nAuthorization: b\r\nIdempotency-Key: gone\r\nContent-Length: 10\r\n\r\n12345',
    );
    await proxy.logLine(({ msg }) => msg !== undefined);
    socket.destroy();

    const next = await sendRequest(proxy.port, {
      headers: { 'Idempotency-Key': 'gone', Authorization: 'b' },
    });

    expect(next.status).toBe(201);
    expect(backend.executions('gone')).toBe(1);
  });

  it.each([
    ['garbage', '\u0000\u0001\u0002garbage\r\n\r\n'],
    ['a TLS greeting', '\u0016\u0003\u0001\u0002\u0000\u0001'],
    ['HTTP/2 without an agreement', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    [
      'both framings',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
  ])('%s', async (_name, bytes) => {
    const before = backend.arrivals();

    const answer = await raw(proxy.port, bytes);

    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('application/problem+json');
    expect(backend.arrivals()).toBe(before);
  });
});

/** Everything that comes back until the other side closes. */
async function raw(port: number, bytes: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(bytes, 'latin1');
  let answer = '';
  socket.setEncoding('latin1');
  socket.on('data', (text: string) => {
    answer += text;
    // A kept connection stays open after its answer.
    if (answer.includes('\r\n\r\n') && answer.trimEnd().endsWith('}')) socket.end();
  });
  await new Promise((resolve) => socket.once('close', resolve));
  return answer;
}
