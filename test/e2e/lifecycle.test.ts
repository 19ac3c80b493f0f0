import { readFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { executeAndAnswer } from '../support/counting-backend.ts';
import { freePort } from '../support/free-port.ts';
import { finish, inExecution, type LmdbStage, lmdbStage } from '../support/lmdb-stage.ts';
import { type Answer, keyed, problemCode, sendRequest, until } from '../support/send-request.ts';

/** Start, reload, drain and sudden death of the real process on LMDB (faults 1 to 8, 45 to 47). */

const closers: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const stage = (): Promise<LmdbStage> => lmdbStage(closers);

describe('SIGTERM', () => {
  it('lets what is in flight end with its answer, says not ready meanwhile, and exits 0', async () => {
    const { backend, start } = await stage();
    const observePort = await freePort();
    const proxy = await start({ observe: { listen: `127.0.0.1:${observePort}` } });
    const ready = await sendRequest(observePort, { method: 'GET', path: '/readyz' });
    const { arrival, answer } = await inExecution(backend, proxy, 'drained');

    proxy.signal('SIGTERM');
    await proxy.logLine((line) => line.msg === 'draining');
    const notReady = await sendRequest(observePort, { method: 'GET', path: '/readyz' });
    finish(arrival);

    expect(ready.status).toBe(200);
    expect(notReady.status).toBe(503);
    expect(notReady.body.toString()).toContain('draining');
    expect((await answer).status).toBe(201);
    expect(await proxy.ended).toEqual({ code: 0, signal: null });
    await expect(sendRequest(proxy.port, { headers: keyed('too-late') })).rejects.toThrow(/ECONNREFUSED/);
  });

  it('the second time ends the process at once', async () => {
    const { backend, start } = await stage();
    const proxy = await start();
    await inExecution(backend, proxy, 'broken-off');

    proxy.signal('SIGTERM');
    await proxy.logLine((line) => line.msg === 'draining');
    proxy.signal('SIGTERM');

    expect(await proxy.ended).toEqual({ code: 1, signal: null });
  });

  it('breaks off what outlives the drain time, and leaves its key unknown, not free', async () => {
    const { backend, start } = await stage();
    const proxy = await start({ drain: { timeout: '200ms' } });
    const { answer } = await inExecution(backend, proxy, 'too-long');

    expect(await proxy.stop()).toEqual({ code: 0, signal: null });
    const broken = await answer.then(
      (whole) => problemCode(whole),
      () => 'connection broken',
    );
    const again = await start();
    const repeat = await sendRequest(again.port, { headers: keyed('too-long') });

    expect(['upstream-failed', 'connection broken']).toContain(broken);
    expect(problemCode(repeat)).toBe('outcome-unknown');
    expect(backend.executions('too-long')).toBe(1);
  });

  it('closes kept connections of clients that send nothing', async () => {
    const { start } = await stage();
    const proxy = await start();
    const agent = new Agent({ keepAlive: true });
    closers.push(() => agent.destroy());
    await sendRequest(proxy.port, { headers: keyed('kept'), agent });

    expect(await proxy.stop()).toEqual({ code: 0, signal: null });
  });
});

describe('SIGKILL', () => {
  it('during an execution leaves the key unknown after the lease: 409, never executed again', async () => {
    const { backend, start } = await stage();
    const proxy = await start({ defaults: { lease: '1500ms', inFlight: 'reject' } });
    await inExecution(backend, proxy, 'killed');

    await proxy.kill();
    backend.behave(executeAndAnswer);
    const again = await start({ defaults: { lease: '1500ms', inFlight: 'reject' } });
    const early = await sendRequest(again.port, { headers: keyed('killed') });
    const late = await until(
      () => sendRequest(again.port, { headers: keyed('killed') }),
      (answer) => problemCode(answer) !== 'in-flight',
    );

    expect(['in-flight', 'outcome-unknown']).toContain(problemCode(early));
    expect(late.status).toBe(409);
    expect(problemCode(late)).toBe('outcome-unknown');
    expect(backend.executions('killed')).toBe(1);
    expect(backend.arrivals()).toBe(1);
  });

  it('during an execution is followed by another execution only with onUnknown: retry, after the quiet time', async () => {
    const { backend, start } = await stage();
    const config = { defaults: { lease: '1500ms', inFlight: 'reject', onUnknown: 'retry', quiet: '1s' } };
    const proxy = await start(config);
    // There before the kill: the quiet time must not pass while it starts.
    const again = await start(config);
    await inExecution(backend, proxy, 'retried');

    await proxy.kill();
    backend.behave(executeAndAnswer);
    const seen = new Set<string>();
    const answer = await until(
      () => sendRequest(again.port, { headers: keyed('retried') }),
      (one) => {
        seen.add(problemCode(one));
        return one.status === 201;
      },
    );

    expect(answer.headers['idempotency-status']).toBe('executed');
    expect(seen).toContain('outcome-unknown');
    expect(backend.executions('retried')).toBe(2);
  });

  it('after the answer leaves the record: the repeat replays it byte for byte', async () => {
    const { backend, start } = await stage();
    const text = `{"bytes":"${'é\u0000\u2028'.repeat(50)}"}`;
    backend.behave((arrival) => {
      arrival.execute();
      arrival.answer(201, text, { 'X-Case-Kept': 'Yes', ETag: '"v1"', Location: '/charges/1' });
    });
    const proxy = await start();
    const first = await sendRequest(proxy.port, { headers: keyed('recorded') });

    await proxy.kill();
    const again = await start();
    const repeat = await sendRequest(again.port, { headers: keyed('recorded') });

    expect(first.status).toBe(201);
    expect(repeat.status).toBe(201);
    expect(repeat.body.equals(first.body)).toBe(true);
    expect(repeat.headers['idempotency-status']).toBe('replayed');
    expect(repeat.headers['idempotent-replayed']).toBe('true');
    for (const name of ['X-Case-Kept', 'ETag', 'Location', 'Content-Type', 'Date'])
      expect(lineOf(repeat, name)).toBe(lineOf(first, name));
    expect(backend.executions('recorded')).toBe(1);
  });

  it('after the record, before the client had its answer: the repeat replays what the first client missed', async () => {
    const { backend, start } = await stage();
    const proxy = await start();
    const gone = new AbortController();
    backend.behave((arrival) => void arrival.execute());
    const arrived = backend.nextArrival();
    const missed = sendRequest(proxy.port, { headers: keyed('missed'), signal: gone.signal }).catch(
      () => 'missed',
    );
    const arrival = await arrived;
    gone.abort();
    finish(arrival);
    const line = await proxy.logLine(({ msg }) => msg === 'request');

    await proxy.kill();
    const again = await start();
    const repeat = await sendRequest(again.port, { headers: keyed('missed') });

    expect(await missed).toBe('missed');
    expect(line.outcome).toBe('executed');
    expect(repeat.body.toString()).toBe('{"done":true}');
    expect(repeat.headers['idempotency-status']).toBe('replayed');
    expect(backend.executions('missed')).toBe(1);
  });

  it('while an answer streams leaves the client with a broken answer and the key unknown', async () => {
    const { backend, start } = await stage();
    const proxy = await start({ defaults: { lease: '1500ms', inFlight: 'reject' } });
    backend.behave((arrival) => {
      arrival.execute();
      const response = arrival.request.socket;
      response.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nthe beginning');
    });
    const arrived = backend.nextArrival();
    const ended = sendRequest(proxy.port, { headers: keyed('half') }).then(
      () => 'whole',
      () => 'broken',
    );
    await arrived;

    await proxy.kill();
    const broken = await ended;
    const again = await start({ defaults: { lease: '1500ms', inFlight: 'reject' } });
    const late = await until(
      () => sendRequest(again.port, { headers: keyed('half') }),
      (one) => problemCode(one) !== 'in-flight',
    );

    expect(broken).toBe('broken');
    expect(problemCode(late)).toBe('outcome-unknown');
    expect(backend.executions('half')).toBe(1);
  });
});

/** The field line with its name as it was sent. */
function lineOf(answer: Answer, name: string): string {
  const at = answer.rawHeaders.indexOf(name);
  return at === -1 ? `no ${name} in ${answer.rawHeaders.join(' ')}` : `${name}: ${answer.rawHeaders[at + 1]}`;
}

describe('the log of a life', () => {
  it('holds no key, no credential and no body', async () => {
    const { backend, folder, start } = await stage();
    backend.behave((arrival) => finish(arrival));
    const proxy = await start();
    await sendRequest(proxy.port, {
      path: '/charges?token=query-secret',
      headers: keyed('key-secret', 'Bearer credential-secret'),
      body: '{"card":"body-secret"}',
    });
    await proxy.logLine((line) => line.msg === 'request');

    await proxy.stop();

    expect(proxy.output()).toContain('"outcome":"executed"');
    for (const secret of ['query-secret', 'key-secret', 'credential-secret', 'body-secret'])
      expect(proxy.output()).not.toContain(secret);
    expect(readFileSync(`${folder.path}/data/data.mdb`).includes('key-secret')).toBe(false);
  });
});
