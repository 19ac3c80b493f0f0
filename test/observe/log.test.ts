import { describe, expect, it } from 'vitest';
import type { Schedule } from '../../src/observe/incident-limit.ts';
import { createLog, type Log, type LogLevel } from '../../src/observe/log.ts';
import { METHOD_CHARS_MAX, PATH_CHARS_MAX, pathOnly } from '../../src/observe/request-line.ts';
import { type MemoryDestination, memoryDestination, requestFields } from './memory-destination.ts';

type Bench = { readonly log: Log; readonly sink: MemoryDestination; endWindows(): void };

function bench(level: LogLevel = 'info'): Bench {
  const sink = memoryDestination();
  let tasks: (() => void)[] = [];
  const schedule: Schedule = (_delayMs, task) => {
    tasks.push(task);
    return () => {
      tasks = tasks.filter((other) => other !== task);
    };
  };
  const log = createLog({
    level,
    destination: sink,
    wallMs: () => Date.UTC(2026, 10, 23, 20, 0, 0, 5),
    schedule,
  });
  const endWindows = (): void => {
    for (const task of tasks.splice(0)) task();
  };
  return { log, sink, endWindows };
}

function parsed(sink: MemoryDestination): readonly Record<string, unknown>[] {
  return sink.lines.map((line) => {
    expect(line.endsWith('\n')).toBe(true);
    expect(line.slice(0, -1)).not.toContain('\n');
    return JSON.parse(line) as Record<string, unknown>;
  });
}

describe('the line of a request', () => {
  it('holds every field', () => {
    const { log, sink } = bench();

    log.requestEnded(requestFields({ problem: 'in-flight' }));

    expect(parsed(sink)).toEqual([
      {
        level: 'info',
        time: '2026-11-23T20:00:00.005Z',
        msg: 'request',
        route: 'payments',
        class: 'unsafe',
        outcome: 'executed',
        status: 201,
        durationMs: 12.346,
        method: 'POST',
        path: '/v1/payments',
        recordKey: '0123456789ab',
        attempt: 1,
        problem: 'in-flight',
        upstreamMs: 10.5,
        bytesIn: 100,
        bytesOut: 200,
        peer: '10.0.0.1',
      },
    ]);
  });

  it('leaves out what there is none of', () => {
    const { log, sink } = bench();

    log.requestEnded(
      requestFields({ route: null, requestClass: null, recordKey: null, attempt: null, upstreamMs: 0 }),
    );

    const keys = Object.keys(parsed(sink)[0] ?? {});
    expect(keys).not.toEqual(expect.arrayContaining(['route']));
    for (const absent of ['route', 'class', 'recordKey', 'attempt', 'problem', 'upstreamMs']) {
      expect(keys).not.toContain(absent);
    }
  });

  it('has the shape of the other lines', () => {
    const { log, sink } = bench();

    log.requestEnded(requestFields());
    log.event('info', 'started', {});

    const [request, event] = parsed(sink);
    expect(Object.keys(request ?? {}).slice(0, 2)).toEqual(Object.keys(event ?? {}).slice(0, 2));
    expect(request?.level).toBe(event?.level);
    expect(String(event?.time)).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('a duration of %s is still JSON', (durationMs) => {
    const { log, sink } = bench();

    log.requestEnded(requestFields({ durationMs }));

    expect(parsed(sink)[0]?.durationMs).toBe(0);
  });

  it('never has a query, a password of a URL or more of the record key than its prefix', () => {
    const { log, sink } = bench();

    for (const target of [
      '/a?token=SECRET',
      '/a#SECRET',
      'http://u:SECRET@h/a?x=SECRET',
      'u:SECRET@h',
      '*?SECRET',
    ]) {
      log.requestEnded(requestFields({ target }));
    }

    const text = sink.lines.join('');
    expect(sink.lines).toHaveLength(5);
    expect(text).not.toContain('SECRET');
    expect(text).not.toContain('0123456789abc');
  });

  it('bounds what a client can make long', () => {
    const { log, sink } = bench();

    log.requestEnded(requestFields({ method: 'M'.repeat(9_000), target: `/${'p'.repeat(9_000)}` }));

    const line = parsed(sink)[0];
    expect(line?.method).toHaveLength(METHOD_CHARS_MAX);
    expect(line?.path).toHaveLength(PATH_CHARS_MAX);
  });

  it.each(['warn', 'error', 'silent'] as const)('is not written at level %s', (level) => {
    const { log, sink } = bench(level);

    log.requestEnded(requestFields());

    expect(sink.lines).toEqual([]);
  });
});

describe('the path of a target', () => {
  it.each([
    ['/a/b', '/a/b'],
    ['/a?b', '/a'],
    ['/?', '/'],
    ['/a#b?c', '/a'],
    ['/a%3Fb', '/a%3Fb'],
    ['http://h/a?b', '/a'],
    ['http://u:p@h', ''],
    ['http://h?x/y', ''],
    ['h:443', 'h:443'],
    ['u@h:443', ''],
    ['*', '*'],
    ['', ''],
  ])('%s is logged as %s', (target, path) => {
    expect(pathOnly(target)).toBe(path);
  });
});

describe('incidents', () => {
  it('the first is told at once', () => {
    const { log, sink } = bench();

    log.claimLost('payments', '0123456789abcdefghijklmnopqrstuvwxyzABCDEFG');

    expect(parsed(sink)).toMatchObject([
      { level: 'error', route: 'payments', recordKey: '0123456789ab', count: 1 },
    ]);
  });

  it('a lost lock names its route', () => {
    const { log, sink } = bench();

    log.lockLost('payments');

    expect(parsed(sink)).toMatchObject([{ level: 'error', route: 'payments', count: 1 }]);
  });

  it('a flood of one kind is one line, and one with a count at the end of each window', () => {
    const { log, sink, endWindows } = bench();

    for (let i = 0; i < 1_000; i += 1) log.storeUnavailable('timeout', `attempt ${i}`);
    endWindows();
    for (let i = 0; i < 10; i += 1) log.storeUnavailable('timeout', 'again');
    endWindows();

    expect(parsed(sink)).toMatchObject([
      { level: 'warn', reason: 'timeout', count: 1, detail: 'attempt 0' },
      { count: 999, detail: 'attempt 999' },
      { count: 10, detail: 'again' },
    ]);
  });

  it('after a quiet window the next is told at once', () => {
    const { log, sink, endWindows } = bench();

    log.storeUnavailable('timeout', 'one');
    endWindows();
    log.storeUnavailable('timeout', 'two');

    expect(parsed(sink)).toMatchObject([{ detail: 'one' }, { detail: 'two', count: 1 }]);
  });

  it('kinds do not hold each other back', () => {
    const { log, sink } = bench();

    log.storeUnavailable('timeout', 'slow');
    log.storeUnavailable('readonly', 'replica');
    log.unexpected(new Error('defect'));

    expect(parsed(sink)).toHaveLength(3);
    expect(sink.lines[2]).toContain('defect');
  });

  it('what was held back is told when the log closes', async () => {
    const { log, sink } = bench();
    log.storeUnavailable('timeout', 'one');
    log.storeUnavailable('timeout', 'two');

    await log.close(10);

    expect(parsed(sink)).toMatchObject([{ detail: 'one' }, { detail: 'two', count: 1 }]);
  });
});
