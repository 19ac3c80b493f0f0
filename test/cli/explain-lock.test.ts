import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Folder, runBinary, temporaryFolder } from '../support/child-proxy.ts';

let folder: Folder;

beforeAll(() => {
  folder = temporaryFolder();
  folder.config({
    upstream: { url: 'http://127.0.0.1:3000' },
    store: 'memory:',
    routes: [
      { name: 'accounts', match: { path: '/accounts/{id}/**' }, lock: '/accounts/{id}' },
      {
        name: 'moves',
        match: { path: '/moves' },
        lock: { resources: '/accounts/{to}', capture: { to: { json: '/to' } } },
      },
    ],
  });
});

afterAll(() => folder.remove());

describe('onceward explain', () => {
  it.each([
    {
      what: 'a request without a key',
      args: ['-X', 'DELETE', '/accounts/7%2D/limit'],
      row: /executed one at a time for \/accounts\/7-: waits up to 5s among at most 100, else 423 locked/,
    },
    {
      what: 'a request with a key',
      args: ['-X', 'POST', '/accounts/7/pay', '-H', 'Authorization: a', '-H', 'Idempotency-Key: k'],
      row: /executed one at a time for \/accounts\/7: /,
    },
    {
      what: 'a request that does not say what it concerns',
      args: ['-X', 'PUT', '/moves'],
      row: /400 resource-unnamed/,
    },
    { what: 'a safe request', args: ['/accounts/7/limit'], row: null },
  ])('says what it locks of $what', async ({ args, row }) => {
    const ran = await runBinary(['explain', '--config', 'onceward.yaml', ...args], {
      cwd: folder.path,
    });
    const found = /^ +lock +(.*)$/m.exec(ran.stdout)?.[1] ?? null;

    if (row === null) expect(found).toBeNull();
    else expect(found).toMatch(row);
  });
});
