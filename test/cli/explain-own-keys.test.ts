import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Folder, type Ran, runBinary, temporaryFolder } from '../support/child-proxy.ts';

/** `onceward explain` where a key is not the client's to choose. */

let folder: Folder;

beforeAll(() => {
  folder = temporaryFolder();
  folder.config({
    upstream: { url: 'http://127.0.0.1:3000' },
    store: 'memory:',
    routes: [
      { name: 'form', match: { path: '/form' }, ticket: { life: '20m' } },
      {
        name: 'hooks',
        match: { path: '/hooks' },
        message: { preset: 'github', secrets: ['hunter2hunter2'] },
      },
    ],
  });
});

afterAll(() => folder.remove());

function explain(...args: readonly string[]): Promise<Ran> {
  return runBinary(['explain', '--config', 'onceward.yaml', ...args], { cwd: folder.path });
}

const CALLER = ['-H', 'Authorization: Bearer very-secret'];

describe('onceward explain', () => {
  it('tells that a key must be a ticket, and how long one lives', async () => {
    const body = `_ticket=${'A'.repeat(52)}`;
    const type = 'Content-Type: application/x-www-form-urlencoded';

    const ran = await explain('-X', 'POST', '/form', ...CALLER, '-H', type, '-d', body);

    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain(
      'for this route and caller, spent within 20m; any other gets 412 ticket-unknown',
    );
    expect(ran.stdout).toContain('from the form field _ticket');
  });

  it('tells of a message which kind it is and that it is verified, and shows no secret', async () => {
    const ran = await explain('-X', 'POST', '/hooks', '-H', 'X-GitHub-Delivery: d-12345678901', '-d', '{}');

    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain('github; its signature is verified before anything is looked up');
    expect(ran.stdout).toContain('from the id of the github message and the target of the request');
    expect(ran.stdout).not.toContain('hunter2');
  });
});
