import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Folder, type Ran, runBinary, temporaryFolder } from '../support/child-proxy.ts';

/** `onceward explain`: the decisions of serving, told beforehand. */

const GOLDEN = join(import.meta.dirname, 'golden');
const KEY = '8e03978e-40d5-43e8-bc93-6894a57f9324';

let folder: Folder;

beforeAll(() => {
  folder = temporaryFolder();
  const routes = [
    {
      name: 'payments',
      match: { path: '/v1/pay/**', methods: ['POST'] },
      key: { required: true },
      fingerprint: { body: 'canonical-json' },
      inFlight: 'reject',
      status: { 503: 'park' },
    },
    {
      name: 'orders',
      match: { path: '/orders' },
      key: { sources: [{ header: 'Idempotency-Key' }, { json: '/request_id' }] },
      onUnknown: 'retry',
      onStoreDown: 'forward',
      limits: { request: '1KiB' },
    },
    { name: 'report', match: { path: '/report' }, task: { onRepeat: 'attach', wait: '20s' } },
    { name: 'trial', match: { path: '/trial' }, mode: 'observe' },
    {
      name: 'asked',
      match: { path: '/asked' },
      quiet: '2m',
      reconcile: {
        request: { path: '/charges/{key}' },
        rules: [
          { when: { status: 200 }, verdict: 'completed' },
          { when: { status: 404 }, verdict: 'did-not-happen' },
        ],
      },
    },
  ];
  folder.config({
    upstream: { url: 'http://127.0.0.1:3000' },
    store: 'memory:',
    unmatched: 'not-found',
    routes,
  });
  folder.file('body.json', '{"request_id":"order-0123456789"}');
});

afterAll(() => folder.remove());

function explain(...args: readonly string[]): Promise<Ran> {
  return runBinary(['explain', '--config', 'onceward.yaml', ...args], { cwd: folder.path });
}

const CALLER = ['-H', 'Authorization: Bearer very-secret'];

describe('onceward explain', () => {
  it('tells the way of a keyed request, from key to limits', async () => {
    const ran = await explain(
      '-X',
      'POST',
      '/v1/pay/1',
      ...CALLER,
      '-H',
      `Idempotency-Key: "${KEY}"`,
      '-d',
      '{"amount":1}',
    );

    expect(ran.stderr).toBe('');
    expect(ran.code).toBe(0);
    await expect(ran.stdout).toMatchFileSnapshot(join(GOLDEN, 'explain-keyed.txt'));
  });

  it('says that what is below the reserved prefix is answered here', async () => {
    const ran = await explain('/.well-known/onceward/routes/payments');

    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain("Onceward's own; nothing is forwarded");
  });

  it('tells what a task is answered, and what it is not without the preference', async () => {
    const keyed = ['-X', 'POST', '/report', ...CALLER, '-H', `Idempotency-Key: "${KEY}"`];
    const plain = await explain(...keyed);
    const asked = await explain(...keyed, '-H', 'Prefer: respond-async, wait=5');

    expect(plain.stdout).toContain('none: it does not say Prefer: respond-async');
    for (const text of [
      'the answer itself if it is there within 5s, else 202 with the Location of the task',
      'the answer itself if it is there within 5s, else 202 with the same Location',
      'repeat after a failure',
      'at most 15m in the background; after it the outcome is unknown',
      'cut to 20s',
    ])
      expect(asked.stdout).toContain(text);
  });

  it('finds a key in a body that is read from a file', async () => {
    const ran = await explain(
      '-X',
      'POST',
      '/orders',
      ...CALLER,
      '-H',
      'Content-Type: application/json',
      '-d',
      '@body.json',
    );

    await expect(ran.stdout).toMatchFileSnapshot(join(GOLDEN, 'explain-body-key.txt'));
  });

  it('shows neither the key nor the credential', async () => {
    const ran = await explain('-X', 'POST', '/v1/pay/1', ...CALLER, '-H', `Idempotency-Key: ${KEY}`);

    expect(ran.stdout).toContain('8e03…9324');
    expect(ran.stdout).not.toContain(KEY);
    expect(ran.stdout).not.toContain('very-secret');
  });

  it('shows the same fingerprint for two requests that are the same, and another for one that is not', async () => {
    const digest = async (body: string): Promise<string | undefined> => {
      const ran = await explain(
        '-X',
        'POST',
        '/v1/pay/1',
        ...CALLER,
        '-H',
        'Idempotency-Key: k',
        '-H',
        'Content-Type: application/json',
        '-d',
        body,
      );
      return /digest ([\w-]{12}), policy/.exec(ran.stdout)?.[1];
    };

    const [one, same, other] = [
      await digest('{"a":1,"b":2}'),
      await digest('{"b":2, "a":1}'),
      await digest('{"a":1,"b":3}'),
    ];

    expect(one).toHaveLength(12);
    expect(same).toBe(one);
    expect(other).not.toBe(one);
  });

  it.each([
    { what: 'a key that is missing', args: ['-X', 'POST', '/v1/pay/1'], says: '400 key-missing' },
    {
      what: 'a caller that is not known',
      args: ['-X', 'POST', '/v1/pay/1', '-H', 'Idempotency-Key: k'],
      says: '400 scope-missing',
    },
    {
      what: 'a key that is no key',
      args: ['-X', 'POST', '/v1/pay/1', ...CALLER, '-H', 'Idempotency-Key: "a'],
      says: '400 key-invalid',
    },
    {
      what: 'two keys that disagree',
      args: ['/orders', ...CALLER, '-H', 'Idempotency-Key: k', '-d', '{"request_id":"other"}'],
      says: '400 key-invalid',
    },
    { what: 'a path with a dot segment', args: ['/v1/pay/../admin'], says: '400 bad-request' },
    { what: 'a path without a route', args: ['/elsewhere'], says: '404 not-found' },
    {
      what: 'a body that is too large',
      args: ['/orders', ...CALLER, '-H', 'Idempotency-Key: k', '-d', 'x'.repeat(1025)],
      says: '413 request-too-large',
    },
    { what: 'a safe method', args: ['/orders', '-H', 'Idempotency-Key: k'], says: 'the method is safe' },
    {
      what: 'an idempotent method',
      args: ['-X', 'PUT', '/orders', '-H', 'Idempotency-Key: k'],
      says: 'keyIdempotentMethods',
    },
    { what: 'an optional key that is not there', args: ['-X', 'POST', '/trial'], says: 'it carries no key' },
    {
      what: 'a route that observes',
      args: ['-X', 'POST', '/trial', ...CALLER, '-H', 'Idempotency-Key: k'],
      says: 'only counted',
    },
  ])('tells what becomes of $what', async ({ args, says }) => {
    const ran = await explain(...args);

    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain(says);
  });

  it('--json prints the same as data', async () => {
    const ran = await explain('--json', '-X', 'POST', '/orders', ...CALLER, '-H', 'Idempotency-Key: k');

    const told: unknown = JSON.parse(ran.stdout);
    expect(told).toMatchObject({
      method: 'POST',
      target: '/orders',
      result: 'keyed',
      cases: {
        first: 'execute',
        repeat: 'replay',
        concurrent: 'join',
        'other-content': 'mismatch',
        'outcome-lost': 'reopen',
        'changed-policy': 'policy-changed',
      },
      request: { route: 'orders', class: 'unsafe' },
    });
  });

  it('takes a whole URL, whose authority becomes Host', async () => {
    const ran = await explain(
      'http://pay.example.com/v1/pay/1',
      '-X',
      'POST',
      ...CALLER,
      '-H',
      'Idempotency-Key: k',
    );

    expect(ran.stdout).toMatch(/^POST \/v1\/pay\/1\n/);
    expect(ran.stdout).toMatch(/route +payments/);
  });

  it('without a file tells what run --upstream would do', async () => {
    const ran = await runBinary(['explain', '-X', 'POST', '/any', '-H', 'Idempotency-Key: k']);

    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain('anonymous, shared by all callers without credentials');
  });

  it.each([
    { args: [], says: 'give one target' },
    { args: ['/a', '/b'], says: 'give one target' },
    { args: ['relative'], says: '"relative" is neither a path such as /v1/pay nor a URL' },
    { args: ['/a', '-H', 'no colon'], says: "not of the form 'Name: value'" },
    { args: ['/a', '--upstream', 'http://127.0.0.1:1'], says: '--config and --upstream exclude each other' },
  ])('refuses $args with exit 2: $says', async ({ args, says }) => {
    const ran = await explain(...args);

    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain(says);
    expect(ran.stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  it('says that a body file is not there', async () => {
    const ran = await explain('/orders', '-d', '@none.json');

    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/^onceward explain: .*none\.json/);
  });

  it('prints the faults of a file and exits 1', async () => {
    folder.file('bad.yaml', 'upstream: { url: nonsense }\n');

    const ran = await runBinary(['explain', '--config', 'bad.yaml', '/'], { cwd: folder.path });

    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain('bad.yaml:1:18: upstream.url:');
  });

  it('tells what the backend is asked about an unknown outcome', async () => {
    const ran = await explain('-X', 'POST', '/asked', ...CALLER, '-H', `Idempotency-Key: "${KEY}"`);

    expect(ran.stdout).toContain(
      'asks the backend (GET /charges/{key}, at most 2s); completed: the answer is replayed at once; ' +
        'did not happen: executed, once the outcome has been unknown for 2m; while it is unsure 409 outcome-unknown',
    );
  });
});
