import { createHmac } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';
import { type Answer, problemCode, type SentRequest, sendRequest } from '../support/send-request.ts';
import { untilMetrics } from '../support/until.ts';

/** A route that verifies, and what is no delivery of its sender. */

const SECRET = 'a secret of github';
let backend: CountingBackend;
let proxy: TestProxy;

beforeAll(async () => {
  backend = await startCountingBackend();
  const message = `message: { preset: github, secrets: ["${SECRET}"] }`;
  proxy = await startProxyWith(`
listen: 127.0.0.1:0
observe: { listen: 127.0.0.1:0 }
admin: off
upstream: { url: "${backend.origin}" }
store: "memory:"
routes:
  - { name: watched, match: { path: /watched }, mode: observe, ${message} }
  - { name: lax, match: { path: /lax }, ${message}, key: { required: false, sources: [{ header: X-Id }] } }
  - { name: hooks, ${message} }
`);
  return async () => {
    await proxy.close();
    await backend.close();
  };
});

function signed(body: string, headers: Readonly<Record<string, string>> = {}): SentRequest {
  const digest = createHmac('sha256', SECRET).update(body).digest('hex');
  return { body, headers: { 'X-Hub-Signature-256': `sha256=${digest}`, ...headers } };
}

const send = (path: string, sent: SentRequest): Promise<Answer> => sendRequest(proxy.port, { path, ...sent });

describe('a route that verifies deliveries', () => {
  it('takes one message once', async () => {
    const one = await send('/hooks', signed('{"a":1}', { 'X-GitHub-Delivery': 'd-1' }));
    const again = await send('/hooks', signed('{ "a": 1 }', { 'X-GitHub-Delivery': 'd-1' }));
    const other = await send('/hooks', signed('{"a":2}', { 'X-GitHub-Delivery': 'd-1' }));

    expect(again.headers['idempotency-status']).toBe('replayed');
    expect(again.body).toEqual(one.body);
    expect(problemCode(other)).toBe('key-reused');
  });

  it('says what is missing where a delivery is genuine and has no id', async () => {
    const answer = await send('/hooks', signed('{}'));

    expect(problemCode(answer)).toBe('key-missing');
    expect(answer.body.toString()).toContain('the field x-github-delivery');
  });

  it.each([
    ['without an id, where none is required', '/lax', 'POST'],
    ['by a method that could go unkeyed', '/hooks', 'PUT'],
    ['by a method that is rare', '/hooks', 'LOCK'],
  ])('lets nothing forged through %s', async (_what, path, method) => {
    const before = backend.arrivals();

    const answer = await send(path, { method, body: '{}', headers: { 'X-Hub-Signature-256': 'sha256=00' } });

    expect(problemCode(answer)).toBe('signature-invalid');
    expect(backend.arrivals()).toBe(before);
  });

  it('passes a genuine delivery without an id where none is required', async () => {
    const answer = await send('/lax', signed('{}'));

    expect(answer.status).toBe(201);
    expect(answer.headers['idempotency-status']).toBeUndefined();
  });

  it('only counts what is forged while it observes', async () => {
    const answer = await send('/watched', { body: '{}', headers: { 'X-GitHub-Delivery': 'd-2' } });
    const text = await untilMetrics(proxy, 'the observed delivery', (body) =>
      body.includes('onceward_observed_requests_total{route="watched",outcome="rejected"} 1'),
    );

    expect(answer.status).toBe(201);
    expect(text).toContain('onceward_signatures_total{route="watched",verdict="missing"} 1');
  });
});
