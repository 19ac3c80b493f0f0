import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';
import { untilMetrics } from '../support/until.ts';

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

/** A backend that counts, and a proxy that only observes. */
async function observing(route = ''): Promise<{ readonly proxy: TestProxy; readonly hits: () => number }> {
  let hits = 0;
  const backend = createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      hits += 1;
      response.end(`hit ${hits}`);
    });
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
store: "memory:"
defaults: { mode: observe, scope: { anonymous: allow }${route} }
`);
  opened.push(() => proxy.close());
  return { proxy, hits: () => hits };
}

async function post(proxy: TestProxy, body: string, headers: Record<string, string> = {}): Promise<Response> {
  return await fetch(`http://127.0.0.1:${proxy.port}/pay`, { method: 'POST', body, headers });
}

async function observed(proxy: TestProxy, outcome: string, count: number): Promise<string> {
  const wanted = new RegExp(`onceward_observed_requests_total\\{[^}]*outcome="${outcome}"\\} ${count}$`, 'm');
  return await untilMetrics(proxy, `${count} ${outcome}`, (text) => wanted.test(text));
}

describe('mode: observe', () => {
  it('executes a repeat as if Onceward were not there, and counts what it would have replayed', async () => {
    const { proxy, hits } = await observing();

    const first = await post(proxy, 'x', { 'Idempotency-Key': 'k' });
    await observed(proxy, 'executed', 1);
    const second = await post(proxy, 'x', { 'Idempotency-Key': 'k' });

    expect([await first.text(), await second.text()]).toEqual(['hit 1', 'hit 2']);
    expect(second.headers.get('idempotency-status')).toBeNull();
    expect(await observed(proxy, 'replayed', 1)).toContain('outcome="bypassed"} 2');
    expect(hits()).toBe(2);
  });

  it('counts a key that is used for other content, and passes it on', async () => {
    const { proxy } = await observing();

    await post(proxy, 'x', { 'Idempotency-Key': 'k' });
    await observed(proxy, 'executed', 1);
    const other = await post(proxy, 'y', { 'Idempotency-Key': 'k' });

    expect(other.status).toBe(200);
    expect(await observed(proxy, 'mismatch', 1)).toContain('onceward_observed_requests_total');
  });

  it('passes on what enforcing would refuse', async () => {
    const { proxy, hits } = await observing(', key: { required: true }');

    const answer = await post(proxy, 'x');

    expect(answer.status).toBe(200);
    expect(await observed(proxy, 'rejected', 1)).toContain('onceward_observed_requests_total');
    expect(hits()).toBe(1);
  });

  it('passes on a body over the limit whole', async () => {
    const { proxy } = await observing(', limits: { request: 1KiB }');
    const large = 'x'.repeat(100_000);

    const answer = await post(proxy, large, { 'Idempotency-Key': 'k' });

    expect(answer.status).toBe(200);
    expect(await observed(proxy, 'rejected', 1)).toContain('onceward_observed_requests_total');
  });
});
