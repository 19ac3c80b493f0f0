import { expect } from 'vitest';
import { type Arrival, type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';
import { type Answer, problemCode, sendRequest } from '../support/send-request.ts';

/** Two routes with sequences before a backend that tells in which order it did what. */

export const PREFIX = '/.well-known/onceward';
const closers: (() => Promise<void> | void)[] = [];

/** For afterEach. */
export async function closeAll(): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close();
}

type Stand = { readonly proxy: TestProxy; readonly backend: CountingBackend; readonly order: string[] };

export async function stand(route = 'inFlight: reject', sequence = '{}', top = ''): Promise<Stand> {
  const order: string[] = [];
  const backend = await startCountingBackend((arrival) => execute(order, arrival));
  closers.push(() => backend.close());
  const proxy = await startProxyWith(`
listen: 127.0.0.1:0
observe: off
admin: off
store: "memory:"
drain: { timeout: 0s }
upstream: { url: "${backend.origin}" }
${top}
routes:
  - name: orders
    match: { path: /orders/** }
    keyspace: orders
    sequence: ${sequence}
    ${route}
  - name: others
    match: { path: /others }
    keyspace: others
    sequence: ${sequence}
`);
  closers.push(() => proxy.close());
  return { proxy, backend, order };
}

export function execute(order: string[], arrival: Arrival): void {
  const number = String(arrival.request.headers['producer-sequence']);
  order.push(number);
  arrival.answer(201, JSON.stringify({ number, execution: order.length }));
}

type Producer = { readonly id: string; readonly epoch: number };

export async function issue({ proxy }: Stand, caller = 'Bearer one'): Promise<Producer> {
  const answer = await sendRequest(proxy.port, {
    path: `${PREFIX}/producers?route=orders`,
    headers: { Authorization: caller },
  });
  expect(answer.status).toBe(201);
  const told = jsonOf(answer);
  expect(answer.headers.location).toBe(`${PREFIX}/producers/${told.producerId}?route=orders`);
  return { id: String(told.producerId), epoch: Number(told.epoch) };
}

export function jsonOf(answer: Answer): Record<string, unknown> {
  return JSON.parse(answer.body.toString());
}

export async function bump({ proxy }: Stand, { id }: Producer, held?: string): Promise<Answer> {
  return await sendRequest(proxy.port, {
    path: `${PREFIX}/producers/${id}/epoch?route=orders`,
    headers: { Authorization: 'Bearer one', ...(held === undefined ? {} : { 'Producer-Epoch': held }) },
  });
}

type Sent = {
  readonly caller?: string;
  readonly body?: string;
  readonly path?: string;
  readonly method?: string;
};

export function send(
  { proxy }: Stand,
  { id, epoch }: Producer,
  sequence: number | string,
  sent: Sent = {},
): Promise<Answer> {
  const { caller = 'Bearer one', path = '/orders/1', body = `{"n":${sequence}}`, method = 'POST' } = sent;
  const headers = {
    Authorization: caller,
    'Producer-Id': id,
    'Producer-Epoch': String(epoch),
    'Producer-Sequence': String(sequence),
  };
  return sendRequest(proxy.port, { method, path, body, headers });
}

export function stateOf(answer: Answer): string {
  return problemCode(answer) || String(answer.headers['idempotency-status']);
}
