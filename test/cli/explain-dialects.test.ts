import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Folder, type Ran, runBinary, temporaryFolder } from '../support/child-proxy.ts';

/** `onceward explain` on routes with a profile. */

const KEY = '8e03978e-40d5-43e8-bc93-6894a57f9324';
const CALLER = ['-H', 'Authorization: Bearer very-secret'];

let folder: Folder;

beforeAll(() => {
  folder = temporaryFolder();
  folder.config({
    upstream: { url: 'http://127.0.0.1:3000' },
    store: 'memory:',
    routes: [
      { name: 'calls', match: { path: '/calls' }, profile: 'azure-repeatability' },
      { name: 'tools', match: { path: '/mcp' }, profile: 'mcp' },
    ],
  });
});

afterAll(() => folder.remove());

function explain(...args: readonly string[]): Promise<Ran> {
  return runBinary(['explain', '--config', 'onceward.yaml', ...args], { cwd: folder.path });
}

describe('onceward explain', () => {
  it('tells in whose words and with which statuses a dialect refuses', async () => {
    const id = ['-H', `Repeatability-Request-ID: ${KEY}`];
    const now = ['-H', `Repeatability-First-Sent: ${new Date().toUTCString()}`];
    const both = await explain('-X', 'POST', '/calls', ...CALLER, ...id, ...now, '-d', '{}');
    const alone = await explain('-X', 'POST', '/calls', ...CALLER, ...id, '-d', '{}');

    expect(both.stdout).toContain('azure-repeatability, as far as the route says nothing else');
    expect(both.stdout).toContain('in the words of azure, with Onceward-Problem');
    expect(both.stdout).toMatch(/same key, other content +400 key-reused/);
    expect(alone.stdout).toMatch(/answer +400 repeatability-invalid/);
  });

  it('tells which messages of JSON-RPC are keyed', async () => {
    const message = (method: string) => [
      '-H',
      'Content-Type: application/json',
      '-d',
      `{"id":1,"method":"${method}","params":{"_meta":{"idempotencyKey":"${KEY}"}}}`,
    ];
    const call = await explain('-X', 'POST', '/mcp', ...message('tools/call'));
    const other = await explain('-X', 'POST', '/mcp', ...message('tools/list'));

    expect(call.stdout).toContain('from the JSON body at /params/_meta/idempotencyKey');
    expect(other.stdout).toContain('a message of JSON-RPC of a method that is not keyed');
  });
});
