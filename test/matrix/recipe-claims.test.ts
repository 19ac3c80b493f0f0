import { afterEach, expect, it } from 'vitest';
import { keyed, problemCode, sendRequest } from '../support/send-request.ts';
import { swap } from './recipe.ts';
import { type Cell, type Changes, type Stage, stageCell } from './stage.ts';

/** What the recipes say in words of the proxies' own answers, addresses and paths. */

let stage: Stage | null = null;
afterEach(async () => {
  await stage?.close();
  stage = null;
});

async function staged(cell: Omit<Cell, 'name'>, changes: Changes = {}): Promise<Stage> {
  stage = await stageCell({ name: 'of a recipe', ...cell }, changes);
  return stage;
}

const PATH = '/orders/new';

it.each([
  ['nginx', 502, ['parked', 'unknown'], [409, 'outcome-unknown']],
  ['haproxy', 503, ['released', 'released'], [503, undefined]],
] as const)(
  'a backend that cannot be reached behind %s is %d, and ends %j',
  async (behind, status, outcomes, retried) => {
    const { port, backend, onceward } = await staged({ before: null, behind });
    await backend.close();

    const first = await sendRequest(port, { path: PATH, headers: keyed('k-1') });
    const second = await sendRequest(port, { path: PATH, headers: keyed('k-1') });
    const lines = await onceward.ended(2);

    expect(first.status).toBe(status);
    expect([second.status, second.status === 409 ? problemCode(second) : undefined]).toEqual(retried);
    expect(lines.map(({ outcome }) => outcome)).toEqual(outcomes);
  },
);

it.each(['nginx', 'haproxy'] as const)(
  'the client that %s names reaches the backend where it is a trusted proxy',
  async (before) => {
    const { port, backend } = await staged(
      { before, behind: null },
      { onceward: (text) => `${text}\ntrustedProxies: [127.0.0.0/8]` },
    );
    const arrived = backend.nextArrival();

    const answer = await sendRequest(port, { path: PATH, headers: keyed('k-1') });
    const { request } = await arrived;

    expect(answer.status).toBe(201);
    expect(String(request.headers['x-forwarded-for']).split(', ')).toEqual(['127.0.0.1', '127.0.0.1']);
  },
);

it.each(['/orders/%2e%2e/orders/new', '/orders//new'])(
  'nginx passes %s on as it came, and it is refused',
  async (path) => {
    const { port, backend } = await staged({ before: 'nginx', behind: null });

    const answer = await sendRequest(port, { path, headers: keyed('k-1') });

    expect([answer.status, problemCode(answer), backend.arrivals()]).toEqual([400, 'bad-request', 0]);
  },
);

it.each(['/orders/%2e%2e/orders/new', '/orders//new'])(
  'nginx with a path behind proxy_pass makes another path of %s',
  async (path) => {
    const { port, backend } = await staged(
      { before: 'nginx', behind: null },
      { before: (text) => swap(text, 'proxy_pass http://onceward;', 'proxy_pass http://onceward/;') },
    );
    const arrived = backend.nextArrival();

    const answer = await sendRequest(port, { path, headers: keyed('k-1') });
    const { request } = await arrived;

    expect([answer.status, request.url]).toEqual([201, '/orders/new']);
  },
);

it('nginx that is left to itself drops a field with an underscore in silence', async () => {
  const { port, backend } = await staged(
    { before: 'nginx', behind: null },
    { before: (text) => swap(text, 'underscores_in_headers on;', '') },
  );

  const answer = await sendRequest(port, { path: PATH, headers: { Idempotency_Key: '"k-1"' } });

  expect([answer.status, problemCode(answer), backend.arrivals()]).toEqual([400, 'key-missing', 0]);
});

it.each([
  ['nginx', 'proxy_read_timeout 90s;'],
  ['haproxy', 'timeout server  90s'],
] as const)('%s waits longer than Onceward, which says 504 itself', async (before, printed) => {
  const { port, backend } = await staged(
    { before, behind: null },
    {
      // Both a hundredth, in their relation.
      before: (text) => swap(text, printed, printed.replace('90s', '900ms')),
      onceward: (text) => text.replace(/(upstream: \{ url: \S+) \}/, '$1, headTimeout: 300ms }'),
    },
  );
  backend.behave(() => undefined);

  const answer = await sendRequest(port, { path: PATH, headers: keyed('k-1') });

  expect([answer.status, problemCode(answer)]).toEqual([504, 'upstream-timeout']);
});
