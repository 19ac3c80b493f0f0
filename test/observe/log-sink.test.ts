import { execFileSync, spawn } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openLogSink } from '../../src/observe/log-sink.ts';

let folder = '';
let descriptors: number[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'onceward-log-'));
});
afterEach(() => {
  for (const fd of descriptors) closeSync(fd);
  descriptors = [];
  rmSync(folder, { recursive: true, force: true });
});

/** A pipe whose reading end is held open; nothing is read until somebody does. */
function pipe(): { readonly readFd: number; readonly writeFd: number } {
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  const readFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writeFd = openSync(path, constants.O_WRONLY);
  descriptors.push(readFd, writeFd);
  return { readFd, writeFd };
}

function readNow(fd: number): string {
  const chunks: Buffer[] = [];
  const chunk = Buffer.alloc(65_536);
  for (;;) {
    try {
      const bytes = readSync(fd, chunk, 0, chunk.length, null);
      if (bytes === 0) break;
      chunks.push(Buffer.from(chunk.subarray(0, bytes)));
    } catch {
      break;
    }
  }
  return Buffer.concat(chunks).toString('utf8');
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const LINE = `${'x'.repeat(999)}\n`;

describe('the log sink', () => {
  it('writes lines to a file in order', async () => {
    const path = join(folder, 'log');
    const fd = openSync(path, 'w');
    descriptors.push(fd);
    const sink = openLogSink(fd);

    for (let i = 0; i < 1_000; i += 1) sink.write(`${i}\n`);
    await sink.close(5_000);

    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(lines).toEqual(Array.from({ length: 1_000 }, (_, i) => String(i)));
    expect(sink.linesDropped()).toBe(0);
  });

  it('a pipe nobody reads costs lines beyond the bound, and no waiting', async () => {
    const { readFd, writeFd } = pipe();
    const sink = openLogSink(writeFd, { charsMax: 100_000 });

    for (let round = 0; round < 10; round += 1) {
      for (let i = 0; i < 100; i += 1) sink.write(LINE);
      await turn();
    }

    // A pipe holds 64 KiB, the sink 100 kB more.
    const kept = 1_000 - sink.linesDropped();
    expect(kept).toBeGreaterThanOrEqual(100);
    expect(kept).toBeLessThan(200);
    await sink.close(1);
    expect(readNow(readFd).length).toBeGreaterThan(0);
  });

  it('what was not dropped arrives whole once the reader reads again', async () => {
    const { readFd, writeFd } = pipe();
    const sink = openLogSink(writeFd, { charsMax: 100_000 });
    for (let i = 0; i < 500; i += 1) sink.write(LINE);
    await turn();

    let text = '';
    const closed = sink.close(10_000).then(() => 'closed' as const);
    while ((await Promise.race([closed, turn()])) !== 'closed') text += readNow(readFd);
    text += readNow(readFd);

    const lines = text.split('\n').slice(0, -1);
    expect(lines.length + sink.linesDropped()).toBe(500);
    expect(new Set(lines)).toEqual(new Set([LINE.trimEnd()]));
  });

  it('a reader that went away is no error', async () => {
    const { readFd, writeFd } = pipe();
    const sink = openLogSink(writeFd);
    closeSync(readFd);
    descriptors = [writeFd];

    sink.write(LINE);
    await sink.close(5_000);
    sink.write(LINE);

    expect(sink.linesDropped()).toBe(2);
  });

  it('lines after the close are counted as dropped', async () => {
    const { writeFd } = pipe();
    const sink = openLogSink(writeFd);

    await sink.close(10);
    sink.write(LINE);

    expect(sink.linesDropped()).toBe(1);
  });
});

describe('a process whose standard output nobody reads', () => {
  it.each(['pipe', 'socket'] as const)('goes on, counts what it dropped and ends (%s)', async (kind) => {
    // Node gives its children sockets where it says pipe.
    const stdout = kind === 'pipe' ? pipe().writeFd : 'pipe';
    const child = spawn(process.execPath, [join(import.meta.dirname, 'log-flood.ts')], {
      stdio: ['ignore', stdout, 'inherit', 'pipe'],
    });
    child.stdout?.pause();
    let report = '';
    child.stdio[3]?.on('data', (chunk: Buffer) => {
      report += chunk.toString('utf8');
    });

    // exit, not close: the unread end of its output keeps the other waiting.
    const code = await new Promise((resolve) => child.once('exit', resolve));
    child.stdout?.destroy();

    expect(code).toBe(0);
    const seen = JSON.parse(report) as { turns: number; dropped: number };
    expect(seen.turns).toBe(100);
    expect(seen.dropped).toBeGreaterThan(1_000);
  });
});
