import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { type Arrival, type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';
import { sendRequest } from '../support/send-request.ts';

/** Replicas in the middle of a rotation of secrets, each step beside the one before it. */

const OLD = '5b0e7f1c9a3d48e2b6f47d1890ce23ab';
const NEW = 'c41f08e97b6a4d53a2e95f7c10d3864e';

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function proxyWith(
  backend: CountingBackend,
  folder: string,
  secrets: readonly string[],
): Promise<TestProxy> {
  const proxy = await startProxyWith(`
listen: 127.0.0.1:0
observe: off
admin: off
upstream: { url: "${backend.origin}" }
store: { url: "lmdb:${folder}/store", durability: commit }
secrets: [${secrets.map((secret) => `"${secret}"`).join(', ')}]
routes:
  - { name: accounts, match: { path: "/accounts/{id}" }, lock: { resources: "/a/{id}", wait: 500ms } }
`);
  closers.push(() => proxy.close());
  return proxy;
}

const put = (proxy: TestProxy): ReturnType<typeof sendRequest> =>
  sendRequest(proxy.port, { method: 'PUT', path: '/accounts/a' });

describe('a lock while secrets are rotated', () => {
  test('is one for replicas of neighbouring steps, and its tokens grow over all of them', async () => {
    const backend = await startCountingBackend();
    closers.push(() => backend.close());
    const folder = await mkdtemp(join(tmpdir(), 'onceward-lock-secrets-'));
    closers.push(() => rm(folder, { recursive: true, force: true }));
    const steps = [[OLD], [OLD, NEW], [NEW, OLD], [NEW]];
    const tokens: number[] = [];
    const statuses: number[] = [];

    let before = await proxyWith(backend, folder, steps[0] ?? []);
    for (const secrets of steps.slice(1)) {
      const after = await proxyWith(backend, folder, secrets);
      for (const [holder, other] of [
        [before, after],
        [after, before],
      ] as const) {
        backend.behave(() => undefined);
        const arrived = backend.nextArrival();
        const held = put(holder);
        const arrival: Arrival = await arrived;
        tokens.push(Number(arrival.request.headers['onceward-lock-token']));
        statuses.push((await put(other)).status);
        arrival.answer(200, '{}');
        await held;
        backend.behave((later) => later.answer(200, '{}'));
        statuses.push((await put(other)).status);
      }
      before = after;
    }

    expect(statuses).toEqual(Array.from({ length: 6 }, () => [423, 200]).flat());
    expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b));
  });
});
