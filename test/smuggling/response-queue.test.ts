import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createStage } from '../http/stage.ts';
import type { TestProxy } from '../support/proxy.ts';
import { sendRequest } from '../support/send-request.ts';

/** Poisoning of the response queue: a backend sends more than was asked for, and the surplus waits for the next request. */

const stage = createStage();
afterEach(() => stage.close());

const POISON = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison';

/** Each answer names the path it is for; `plant` sends the surplus. */
function poisoner(plant: (socket: Socket, answer: string) => void): Promise<number> {
  return stage.sink((socket) => {
    let text = '';
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      const end = text.indexOf('\r\n\r\n{}');
      if (end === -1) return;
      const path = text.split(' ')[1] ?? '';
      text = '';
      plant(socket, `HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`);
    });
  });
}

function proxyTo(port: number, reuse: 'recent' | 'never'): Promise<TestProxy> {
  return stage.proxyTo(port, { upstream: `reuse: ${reuse}` });
}

/** How often another answer than its own came, or was stored, in so many tries one after the other. */
async function delivered(
  proxy: TestProxy,
  tries: number,
): Promise<{ readonly wrong: number; readonly right: number }> {
  let wrong = 0;
  let right = 0;
  for (let at = 0; at < tries; at++) {
    const sent = { path: `/n/${at}`, headers: { 'Idempotency-Key': `k-${at}` } };
    for (const answer of [await sendRequest(proxy.port, sent), await sendRequest(proxy.port, sent)]) {
      if (answer.status === 200 && answer.body.toString() === sent.path) right += 1;
      else if (answer.status === 200) wrong += 1;
    }
  }
  return { wrong, right };
}

const PLANTS = [
  ['in the same packet', (socket: Socket, answer: string) => void socket.write(answer + POISON)],
  [
    'in the next packet',
    (socket: Socket, answer: string) =>
      void socket.write(answer, () => setImmediate(() => socket.write(POISON))),
  ],
  [
    'before the answer is asked for',
    (socket: Socket, answer: string) =>
      void socket.write(answer, () => setTimeout(() => socket.write(POISON), 1)),
  ],
] as const;

describe('a surplus answer of the backend', () => {
  it.each(PLANTS)(
    '%s is delivered to nobody in 334 tries with reuse: never, and no answer is lost',
    async (_when, plant) => {
      const proxy = await proxyTo(await poisoner(plant), 'never');

      expect(await delivered(proxy, 334)).toEqual({ wrong: 0, right: 668 });
    },
  );

  it('in the same packet is delivered to nobody with reuse: recent', async () => {
    const proxy = await proxyTo(await poisoner(PLANTS[0][1]), 'recent');

    expect((await delivered(proxy, 100)).wrong).toBe(0);
  });
});
