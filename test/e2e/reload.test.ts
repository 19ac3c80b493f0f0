import { afterEach, describe, expect, it } from 'vitest';
import { finish, inExecution, type LmdbStage, lmdbStage } from '../support/lmdb-stage.ts';
import { keyed, problemCode, sendRequest } from '../support/send-request.ts';

/** A new configuration under a running process (faults 47 and 48). */

const closers: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const stage = (): Promise<LmdbStage> => lmdbStage(closers);

describe('a reload', () => {
  const required = { routes: [{ name: 'charges', match: { path: '/charges' }, key: { required: true } }] };

  it('at SIGHUP takes over the routes of the file, without losing the port', async () => {
    const { configure, start } = await stage();
    const proxy = await start();
    const before = await sendRequest(proxy.port, { headers: { Authorization: 'Bearer one' } });

    configure(required);
    proxy.signal('SIGHUP');
    await proxy.logLine((line) => line.msg === 'configuration loaded');
    const after = await sendRequest(proxy.port, { headers: { Authorization: 'Bearer one' } });

    expect(before.status).toBe(201);
    expect(problemCode(after)).toBe('key-missing');
  });

  it('follows a change of the file by itself', async () => {
    const { configure, start } = await stage();
    const proxy = await start();

    configure(required);
    await proxy.logLine((line) => line.msg === 'configuration loaded');

    expect(problemCode(await sendRequest(proxy.port, { headers: { Authorization: 'Bearer one' } }))).toBe(
      'key-missing',
    );
  });

  it('of a faulty file is refused: the old routes stay, and the log has the faults', async () => {
    const { folder, start } = await stage();
    const proxy = await start(required);

    folder.file('onceward.yaml', 'upstream: { url: nonsense }\nroutes: 7\n');
    proxy.signal('SIGHUP');
    const line = await proxy.logLine(({ msg }) => String(msg).startsWith('configuration refused'));

    expect(JSON.stringify(line.faults)).toContain('onceward.yaml:1:');
    expect(problemCode(await sendRequest(proxy.port, { headers: { Authorization: 'Bearer one' } }))).toBe(
      'key-missing',
    );
  });

  it('leaves a request that is in flight to the policy it began with', async () => {
    const { backend, configure, start } = await stage();
    const proxy = await start();
    const { arrival, answer } = await inExecution(backend, proxy, 'over-a-reload');

    configure({ unmatched: 'not-found' });
    proxy.signal('SIGHUP');
    await proxy.logLine((line) => line.msg === 'configuration loaded');
    finish(arrival);

    expect((await answer).status).toBe(201);
    expect(problemCode(await sendRequest(proxy.port, { headers: keyed('after-a-reload') }))).toBe(
      'not-found',
    );
  });
});
