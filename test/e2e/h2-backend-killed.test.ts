import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { afterEach, expect, it } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { startProxy } from '../support/proxy.ts';
import { problemCode, sendRequest } from '../support/send-request.ts';

const WORKER = new URL('./h2-backend-worker.ts', import.meta.url).pathname;
const STREAMS = 40;

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

type Backend = { readonly child: ChildProcess; readonly keys: string[]; came(count: number): Promise<void> };

async function startBackend(port: number, manner: 'silent' | 'answering'): Promise<Backend> {
  const child = spawn(process.execPath, [WORKER, String(port), manner], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  closers.push(async () => void child.kill('SIGKILL'));
  const keys: string[] = [];
  const lines = createInterface({ input: child.stdout });
  await once(lines, 'line');
  let waiting: { readonly count: number; readonly resolve: () => void } | null = null;
  lines.on('line', (key) => {
    keys.push(key);
    if (waiting !== null && keys.length >= waiting.count) waiting.resolve();
  });
  return {
    child,
    keys,
    came: (count) =>
      new Promise((resolve) => {
        waiting = { count, resolve };
        if (keys.length >= count) resolve();
      }),
  };
}

it('a backend of HTTP/2 that is killed with many streams at work leaves each key unknown, and sees none of them again', async () => {
  const port = await freePort();
  const first = await startBackend(port, 'silent');
  const proxy = await startProxy({
    upstreamPort: port,
    upstream: 'protocol: http2',
    top: 'drain: { timeout: 0s }',
  });
  closers.push(() => proxy.close());
  const send = (key: string) => sendRequest(proxy.port, { headers: { 'Idempotency-Key': key } });
  const keys = Array.from({ length: STREAMS }, (_none, nth) => `k-${nth}`);

  const sent = keys.map((key) => send(key));
  await first.came(STREAMS);
  first.child.kill('SIGKILL');
  const answers = await Promise.all(sent);
  const second = await startBackend(port, 'answering');
  const repeats = await Promise.all(keys.map((key) => send(key)));
  const another = await send('another');

  expect(new Set(answers.map((answer) => `${answer.status} ${problemCode(answer)}`))).toEqual(
    new Set(['502 upstream-failed']),
  );
  expect(new Set(repeats.map((answer) => `${answer.status} ${problemCode(answer)}`))).toEqual(
    new Set(['409 outcome-unknown']),
  );
  expect([another.status, another.body.toString()]).toEqual([201, 'done']);
  expect(second.keys).toEqual(['another']);
});
