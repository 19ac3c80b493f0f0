import process from 'node:process';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { baseConfig, runBinary, startChildProxy, temporaryFolder } from '../support/child-proxy.ts';
import { startCountingBackend } from '../support/counting-backend.ts';
import { crewStage, pidsOf } from '../support/crew.ts';
import { freePort } from '../support/free-port.ts';
import { lmdbStage } from '../support/lmdb-stage.ts';
import { untilReported } from '../support/observe-report.ts';
import { startRedisServer } from '../support/redis-server.ts';
import { keyed, sendRequest, until } from '../support/send-request.ts';

/** What replicas and workers that only observe have seen, as their operator reads it. */

vi.setConfig({ testTimeout: 60_000 });

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const OBSERVE = { routes: [{ name: 'pay', match: { path: '/charges' }, mode: 'observe' }] };

describe.each(['lmdb', 'redis'] as const)('two proxies on %s that observe', (kind) => {
  it('know a repeat that comes to the other one, execute it, and tell it', async () => {
    const backend = await startCountingBackend();
    closers.push(() => backend.close());
    const folder = temporaryFolder();
    closers.push(() => folder.remove());
    const redis = kind === 'redis' ? await startRedisServer() : null;
    if (redis !== null) closers.push(redis.remove);
    const store = redis === null ? `lmdb:${folder.path}/data` : redis.url;
    const secrets = redis === null ? {} : { secrets: ['a secret of forty characters for testing'] };
    const adminPorts = [await freePort(), await freePort()];
    const proxies = await Promise.all(
      adminPorts.map((port, n) => {
        const config = { ...baseConfig(backend.origin, store), ...secrets, ...OBSERVE };
        const admin = { listen: `127.0.0.1:${port}` };
        return startChildProxy(['--config', folder.config({ ...config, admin }, `${n}.yaml`)]);
      }),
    );
    for (const proxy of proxies) closers.push(() => proxy.kill());
    const [one = 0, other = 0] = proxies.map(({ port }) => port);
    const [adminOfOne = 0, adminOfOther = 0] = adminPorts;

    const first = await sendRequest(one, { headers: keyed('a-key') });
    const executed = await untilReported(adminOfOne, 'pay', (route) => route.executed === 1);
    const repeat = await sendRequest(other, { headers: keyed('a-key') });
    const replayed = await untilReported(adminOfOther, 'pay', (route) => route.replayed === 1);
    const told = await runBinary(['report', '--admin', `http://127.0.0.1:${adminOfOther}`]);

    expect([first.status, repeat.status, backend.executions('a-key')]).toEqual([201, 201, 2]);
    const recordKey = executed.ends[0]?.examples[0]?.recordKey;
    expect(replayed.ends[0]?.examples[0]?.recordKey).toBe(recordKey);
    expect(told).toMatchObject({ code: 0, stderr: '' });
    expect(told.stdout).toContain('pay: 1 requests: replayed 1\n');
    expect(told.stdout).toContain(`${recordKey}  201\n`);
    expect(told.stdout).not.toContain('a-key');
  });
});

describe('several workers that observe', () => {
  it('are told as one, and what a killed one saw stays', async () => {
    const stage = await lmdbStage(closers);
    const { proxy, status, listening, operatorPort } = await crewStage(stage, 2, OBSERVE);
    const send = (key: string): Promise<unknown> => sendRequest(proxy.port, { headers: keyed(key) });
    await Promise.all(Array.from({ length: 30 }, (_, n) => send(`k-${n}`)));
    await untilReported(operatorPort, 'pay', ({ executed }) => executed === 30);

    for (const pid of pidsOf(await status())) {
      process.kill(pid, 'SIGKILL');
      await until(status, (seen) => !pidsOf(seen).includes(pid));
      await listening(2);
    }
    await Promise.all(Array.from({ length: 30 }, (_, n) => send(`k-${n}`)));
    const route = await untilReported(operatorPort, 'pay', ({ requests }) => requests === 60);

    expect(route).toMatchObject({ executed: 30, replayed: 30, refused: 0 });
    expect(route.ends.map(({ examples }) => examples.length)).toEqual([5, 5]);
  });
});

describe('onceward report', () => {
  it('that reaches nobody says so in one line', async () => {
    const told = await runBinary(['report', '--admin', `http://127.0.0.1:${await freePort()}`]);

    expect(told).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^onceward report: cannot reach .*\n$/),
    });
  });
});
