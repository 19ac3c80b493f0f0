import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** Starts the example on a free port; resolves with its origin once it says that it listens. */
async function start(): Promise<{ readonly origin: string; readonly child: ChildProcess }> {
  const script = join(import.meta.dirname, '../../examples/payments-backend.mjs');
  const child = spawn(process.execPath, [script], {
    env: { ...process.env, HOST: '127.0.0.1', PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const line = await new Promise<string>((resolve) =>
    child.stdout?.once('data', (data) => resolve(String(data))),
  );
  const { port } = JSON.parse(line) as { port: number };
  return { origin: `http://127.0.0.1:${port}`, child };
}

it('the example backend makes a payment of every request, repeats included', async () => {
  const { origin } = await start();
  const pay = () => fetch(`${origin}/v1/payments`, { method: 'POST', body: '{"amount":500}' });

  const first = await pay();
  await (await pay()).text();

  expect(first.status).toBe(201);
  expect(await first.json()).toMatchObject({ amount: 500 });
  expect(await (await fetch(`${origin}/v1/payments`)).json()).toEqual({ count: 2 });
  expect((await fetch(`${origin}${first.headers.get('location')}`)).status).toBe(200);
});

it.each(['', '[]', 'null', '{"amount":-1}', '{"amount":"5"}'])(
  'the example backend refuses %s',
  async (body) => {
    const { origin } = await start();

    const answer = await fetch(`${origin}/v1/payments`, { method: 'POST', body });

    expect(answer.status).toBe(400);
  },
);

it('the example backend ends on SIGTERM although a connection is kept alive', async () => {
  const { origin, child } = await start();
  await (await fetch(`${origin}/healthz`)).text();
  const ended = new Promise((resolve) => child.once('exit', (code) => resolve(code)));

  child.kill('SIGTERM');

  expect(await ended).toBe(0);
});
