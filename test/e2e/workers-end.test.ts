import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import process from 'node:process';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { runBinary, startChildProxy } from '../support/child-proxy.ts';
import { executeAndAnswer } from '../support/counting-backend.ts';
import { type CrewStage, crewStage, isAlive, pidsOf } from '../support/crew.ts';
import { finish, inExecution, type LmdbStage, lmdbStage } from '../support/lmdb-stage.ts';
import { type Answer, keyed, sendRequest, until } from '../support/send-request.ts';

/** How several workers end with their primary, and what happens where they cannot be started. */

// Every test starts three processes, some of them more than once.
vi.setConfig({ testTimeout: 90_000 });

const closers: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(): Promise<Omit<LmdbStage, 'configure'> & CrewStage> {
  const stage = await lmdbStage(closers);
  return { ...stage, ...(await crewStage(stage, 2)) };
}

describe('the end of the primary', () => {
  it('by SIGTERM lets all workers end what they have in flight: not ready at once, exit 0', async () => {
    const { proxy, backend, operatorPort, status } = await start();
    const pids = pidsOf(await status());
    const { arrival, answer } = await inExecution(backend, proxy, 'drained');

    proxy.signal('SIGTERM');
    await proxy.logLine((line) => line.msg === 'draining');
    const ready = await sendRequest(operatorPort, { method: 'GET', path: '/readyz' });
    finish(arrival);

    expect(ready.status).toBe(503);
    expect((await answer).status).toBe(201);
    expect(await proxy.ended).toEqual({ code: 0, signal: null });
    expect(pids.map(isAlive)).toEqual(['gone', 'gone']);
  });

  it('by POST /drain is the same', async () => {
    const { proxy, operatorPort } = await start();

    const asked = await sendRequest(operatorPort, { path: '/drain' });

    expect(asked.status).toBe(202);
    expect(await proxy.ended).toEqual({ code: 0, signal: null });
  });

  it('by a second signal is at once, and leaves no worker', async () => {
    const { proxy, backend, status } = await start();
    const pids = pidsOf(await status());
    await inExecution(backend, proxy, 'broken-off');

    proxy.signal('SIGTERM');
    await proxy.logLine((line) => line.msg === 'draining');
    proxy.signal('SIGTERM');

    expect(await proxy.ended).toEqual({ code: 1, signal: null });
    await until(
      async () => pids.map(isAlive),
      (seen) => seen.every((state) => state === 'gone'),
    );
  });

  it('by a key at the terminal, which signals the whole group, is one signal and not two', async () => {
    const stage = await lmdbStage(closers);
    const proxy = await startChildProxy(['--config', stage.configure({ workers: 2 })], { group: 'own' });
    closers.push(() => proxy.kill());
    const { arrival, answer } = await inExecution(stage.backend, proxy, 'interrupted');

    process.kill(-proxy.pid, 'SIGINT');
    await proxy.logLine((line) => line.msg === 'draining');
    finish(arrival);

    expect((await answer).status).toBe(201);
    expect(await proxy.ended).toEqual({ code: 0, signal: null });
  });

  it('by SIGKILL ends the workers too: they finish what they have, free the port, and leave nobody behind', async () => {
    const { proxy, backend, status, start: again } = await start();
    const pids = pidsOf(await status());
    const { arrival, answer } = await inExecution(backend, proxy, 'orphaned');
    backend.behave(executeAndAnswer);

    process.kill(proxy.pid, 'SIGKILL');
    await until(
      () =>
        sendRequest(proxy.port, { headers: keyed('refused') }).then(
          () => 'taken',
          (error: unknown) => String(error),
        ),
      (seen) => seen.includes('ECONNREFUSED'),
    );
    finish(arrival);
    const whole: Answer = await answer;
    await proxy.ended;
    const next = await again({ listen: `127.0.0.1:${proxy.port}`, workers: 2 });
    const repeat = await sendRequest(next.port, { headers: keyed('orphaned') });

    expect(whole.status).toBe(201);
    await until(
      async () => pids.map(isAlive),
      (seen) => seen.every((state) => state === 'gone'),
    );
    expect(repeat.headers['idempotency-status']).toBe('replayed');
    expect(backend.executions('orphaned')).toBe(1);
  });
});

describe('workers that cannot be started', () => {
  it('are reported in one line when the port is in use', async () => {
    const stage = await lmdbStage(closers);
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    closers.push(() => void holder.close());
    const address = holder.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;

    const ran = await runBinary([
      'run',
      '--config',
      stage.configure({ workers: 2, listen: `127.0.0.1:${port}` }),
    ]);

    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/^onceward run: listen: cannot listen on \S+: the port is in use\. [^\n]*\n$/);
  });

  it('end the whole with a message and exit 1 when they end as often as they are started', async () => {
    const { proxy, folder, status } = await start();
    const pids = pidsOf(await status());

    writeFileSync(`${folder.path}/data/hmac-secret`, 'too short');
    for (const pid of pids) process.kill(pid, 'SIGKILL');

    expect(await proxy.ended).toEqual({ code: 1, signal: null });
    expect(proxy.output()).toMatch(
      /onceward run: workers end right after their start .*hmac-secret must have 32 bytes/,
    );
    const restarts = proxy.output().match(/worker ended, is started again/g)?.length ?? 0;
    expect(restarts).toBeLessThanOrEqual(12);
  }, 180_000);
});
