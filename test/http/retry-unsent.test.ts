import { afterEach, expect, it, vi } from 'vitest';
import type { Upstream } from '../../src/http/seam.ts';
import type * as upstreamModule from '../../src/http/upstream.ts';
import { startProxy } from '../support/proxy.ts';
import { rawExchange } from '../support/raw-client.ts';
import { startScriptedUpstream } from '../support/scripted-upstream.ts';
import { requestText } from './request-text.ts';

/**
 * A request of which nothing was sent is tried once more where its method allows it (RFC 9110 section 9.2.2). The
 * backend refuses exactly as often as the test says, which no real port does: the upstream is the real one behind that.
 */

const refusals = vi.hoisted(() => ({ left: 0, attempts: 0 }));

vi.mock('../../src/http/upstream.ts', async (original) => {
  const actual = await original<typeof upstreamModule>();
  return {
    ...actual,
    createUpstream: (options: upstreamModule.UpstreamOptions): Upstream => {
      const real = actual.createUpstream(options);
      return {
        ...real,
        start(request, sink) {
          refusals.attempts += 1;
          if (refusals.left === 0) return real.start(request, sink);
          refusals.left -= 1;
          queueMicrotask(() =>
            sink.end({ kind: 'never-dispatched', cause: 'refused', message: 'ECONNREFUSED' }),
          );
          return { pause: () => undefined, resume: () => undefined, destroy: () => undefined };
        },
      };
    },
  };
});

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function ask(
  refusalsMax: number,
  request: string,
  method: string,
): Promise<{ readonly status: number; readonly attempts: number; readonly bodies: readonly string[] }> {
  const upstream = await startScriptedUpstream();
  closers.push(() => upstream.close());
  upstream.script('unsent', [[{ kind: 'bytes', bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n' }]]);
  const proxy = await startProxy({ upstreamPort: upstream.port });
  closers.push(() => proxy.close());
  refusals.left = refusalsMax;
  refusals.attempts = 0;
  const { status } = await rawExchange(proxy.port, request, method);
  return {
    status,
    attempts: refusals.attempts,
    bodies: upstream.seen('unsent').map(({ body }) => body().toString()),
  };
}

const PATH = '/conf/unsent/x';

it.for([
  ['PUT', requestText('PUT', PATH, [], 'body'), 'body'],
  ['DELETE', requestText('DELETE', PATH), ''],
  ['GET', requestText('GET', PATH), ''],
] as const)('%s is tried once more and succeeds, its body whole', async ([method, request, body]) => {
  expect(await ask(1, request, method)).toEqual({ status: 200, attempts: 2, bodies: [body] });
});

it('PUT is not tried a third time', async () => {
  expect(await ask(2, requestText('PUT', PATH, [], 'body'), 'PUT')).toEqual({
    status: 502,
    attempts: 2,
    bodies: [],
  });
});

it('POST without a key is not tried again', async () => {
  expect(await ask(1, requestText('POST', PATH, [], 'body'), 'POST')).toEqual({
    status: 502,
    attempts: 1,
    bodies: [],
  });
});

it('POST with a key is not tried again by the proxy: its key is free, and the client may', async () => {
  expect(await ask(1, requestText('POST', PATH, [['Idempotency-Key', 'k1']], 'body'), 'POST')).toEqual({
    status: 502,
    attempts: 1,
    bodies: [],
  });
});
