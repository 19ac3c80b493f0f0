import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** Processes of `lmdb-worker.ts`, and what they were promised. */

const WORKER = new URL('./lmdb-worker.ts', import.meta.url).pathname;
const children: ChildProcess[] = [];

/** A line is what the worker was promised: `claimed` or `completed`, key, token. */
export type Line = { readonly word: string; readonly key: string; readonly token: number };

export type Worker = {
  readonly child: ChildProcess;
  readonly lines: Line[];
  readonly ready: Promise<void>;
  /** Resolves after so many lines. */
  reached(count: number): Promise<void>;
  readonly ended: Promise<void>;
};

export function killWorkers(): void {
  for (const child of children.splice(0)) child.kill('SIGKILL');
}

export function startWorker(path: string, durability: string, task: string, argument: string): Worker {
  const child = spawn(process.execPath, [WORKER, path, durability, task, argument], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const lines: Line[] = [];
  const waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  const ready = Promise.withResolvers<void>();
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (text) => {
    if (text === 'ready') return ready.resolve();
    const [word = '', key = '', token = ''] = text.split(' ');
    // The kill may cut the last line: half a line was not heard, so nothing was promised by it.
    if (/^\d{16}$|^0$/.test(token)) lines.push({ word, key, token: Number(token) });
    for (const wait of waiting) if (lines.length >= wait.count) wait.resolve();
  });
  return {
    child,
    lines,
    ready: ready.promise,
    reached: (count) =>
      new Promise((resolve) => {
        if (lines.length >= count) resolve();
        else waiting.push({ count, resolve });
      }),
    ended: Promise.all([once(reader, 'close'), once(child, 'exit')]).then(() => undefined),
  };
}
