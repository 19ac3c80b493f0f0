import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createByteBudget } from '../../src/http/byte-budget.ts';
import { NodeBody } from '../../src/http/node-body.ts';
import type { BodyRead } from '../../src/http/seam.ts';

/** How long a body that is read may take, on a clock that the test moves. */

const TIMEOUT_MS = 1_000;

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => vi.useRealTimers());

type Upload = {
  byteAfter(ms: number): void;
  end(): void;
  /** Null while it is being read. */
  read(): Promise<BodyRead['kind'] | null>;
  readonly budget: ReturnType<typeof createByteBudget>;
};

function upload(): Upload {
  const request = new IncomingMessage(new Socket());
  request.headers['transfer-encoding'] = 'chunked';
  const budget = createByteBudget(10_000);
  const body = new NodeBody(request, new ServerResponse(request), 'nothing', TIMEOUT_MS);
  let kind: BodyRead['kind'] | null = null;
  void body.read(5_000, budget).then((read) => {
    kind = read.kind;
  });
  return {
    budget,
    byteAfter(ms) {
      vi.advanceTimersByTime(ms);
      request.emit('data', Buffer.from('x'));
    },
    end: () => void request.emit('end'),
    async read() {
      await new Promise((resolve) => setImmediate(resolve));
      return kind;
    },
  };
}

it('an upload that is slow but never silent is not cut off', async () => {
  const slow = upload();

  for (let n = 0; n < 5; n += 1) slow.byteAfter(TIMEOUT_MS * 0.9);
  const meanwhile = await slow.read();
  slow.end();

  expect([meanwhile, await slow.read()]).toEqual([null, 'complete']);
});

it('an upload that falls silent is cut off after the body timeout', async () => {
  const silent = upload();
  silent.byteAfter(TIMEOUT_MS * 0.9);

  vi.advanceTimersByTime(TIMEOUT_MS - 1);
  const before = await silent.read();
  vi.advanceTimersByTime(1);

  expect([before, await silent.read(), silent.budget.usedBytes()]).toEqual([null, 'timed-out', 0]);
});

it('an upload that dribbles for ever is cut off in the end', async () => {
  const dribble = upload();
  let bytes = 0;

  while ((await dribble.read()) === null && bytes < 1_000) {
    dribble.byteAfter(TIMEOUT_MS * 0.9);
    bytes += 1;
  }

  expect([await dribble.read(), bytes]).toEqual(['timed-out', 12]);
});
