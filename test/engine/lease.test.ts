import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';
import { untilMetrics } from '../support/until.ts';

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

describe('the lease of an execution', () => {
  it('is renewed as long as the backend works, so that a repeat never finds the key unknown', async () => {
    const held: ServerResponse[] = [];
    const backend = createServer((request, response) => {
      request.resume();
      held.push(response);
    });
    await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
    opened.push(async () => {
      backend.closeAllConnections();
      backend.close();
    });
    const { port } = backend.address() as AddressInfo;
    const proxy = await startProxyWith(`
listen: 127.0.0.1:0
observe: { listen: 127.0.0.1:0 }
admin: off
upstream: { url: "http://127.0.0.1:${port}" }
store: { url: "memory:", deadline: 300ms }
defaults: { lease: 1s, inFlight: reject, scope: { anonymous: allow } }
`);
    opened.push(() => proxy.close());
    const send = (): Promise<Response> =>
      fetch(`http://127.0.0.1:${proxy.port}/pay`, {
        method: 'POST',
        body: 'x',
        headers: { 'Idempotency-Key': 'k' },
      });

    const first = send();
    await renewals(proxy, 4);
    const meanwhile = await send();
    held[0]?.end('done');

    expect(await meanwhile.json()).toMatchObject({ code: 'in-flight' });
    expect(await (await first).text()).toBe('done');
    expect(await (await send()).text()).toBe('done');
    expect(held).toHaveLength(1);
  });
});

/** Waits for the store to have renewed that often: more than a whole lease has gone by then. */
async function renewals(proxy: TestProxy, count: number): Promise<void> {
  const done = /operation_duration_seconds_count\{[^}]*operation="renew",result="ok"\} (\d+)/;
  await untilMetrics(proxy, `${count} renewals`, (text) => Number(done.exec(text)?.[1] ?? 0) >= count);
}
