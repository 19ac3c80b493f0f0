import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, test } from 'vitest';
import { cleanUp, newDirectory } from './lmdb-support.ts';

const WORKER = new URL('./lmdb-growth-worker.ts', import.meta.url).pathname;

type Worker = { ask(line: string): Promise<string>; end(): Promise<unknown> };

const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await cleanUp();
});

async function start(path: string, sizeMiB: number): Promise<Worker> {
  const child = spawn(process.execPath, [WORKER, path, String(sizeMiB)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => String((await lines.next()).value);
  await next();
  return {
    ask(line) {
      child.stdin.write(`${line}\n`);
      return next();
    },
    async end() {
      const ended = once(child, 'exit');
      child.stdin.end();
      return (await ended)[0];
    },
  };
}

describe('an lmdb store that outgrows the address space it began with', () => {
  test('goes on, and the other process follows, each while the other writes', async () => {
    const path = newDirectory();
    const [one, other] = [await start(path, 512), await start(path, 512)];
    expect(await one.ask('write a 150')).toBe('done');
    expect(await other.ask('read a 150')).toBe('done');

    const together = [one.ask('write b 300'), other.ask('write c 300')];
    expect(await Promise.all(together)).toEqual(['done', 'done']);
    const crosswise = [one.ask('read c 300'), other.ask('write d 200')];
    expect(await Promise.all(crosswise)).toEqual(['done', 'done']);

    expect(await one.ask('read d 200')).toBe('done');
    expect(await other.ask('read b 300')).toBe('done');
    expect(statSync(join(path, 'data.mdb')).size).toBeGreaterThan(90 * 1024 * 1024);
    expect(await Promise.all([one.end(), other.end()])).toEqual([0, 0]);
  }, 60_000);

  test('ends at its size, not at the map’s: new claims are refused as full, what is there is served', async () => {
    const path = newDirectory();
    const [small, other] = [await start(path, 20), await start(path, 20)];

    const full = await small.ask('write a 1000');

    expect(full).toMatch(/the store holds \d+ of 20971520 bytes/);
    expect(await other.ask('write b 1')).toMatch(/the store holds/);
    expect(await other.ask('read a 150')).toBe('done');
    expect(await Promise.all([small.end(), other.end()])).toEqual([0, 0]);
  }, 60_000);
});
