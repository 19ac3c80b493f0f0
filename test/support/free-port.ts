import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below the range that the kernel takes for connections going out: a port from there may be gone before it is used. */
const FIRST = 10_000;
const END = 32_000;
const TRIES_MAX = 100;

/** A port of 127.0.0.1 that nobody listens on now. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const port = randomInt(FIRST, END);
    if ((await look(port)) === 'free') return port;
  }
  throw new Error('no free port');
}

function look(port: number): Promise<'free' | 'taken'> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve('taken'));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve('free')));
  });
}
