import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Folder, runBinary, temporaryFolder } from '../support/child-proxy.ts';

/** What `onceward explain` says of a route whose writes name their version. */

let folder: Folder;

beforeAll(() => {
  folder = temporaryFolder();
  const routes = [
    { name: 'documents', match: { path: '/documents/*' }, precondition: { require: 'if-match' } },
    {
      name: 'kept',
      match: { path: '/kept/*' },
      precondition: { require: 'none', versions: 'store', resource: '/kept/{id}' },
    },
  ];
  folder.config({ upstream: { url: 'http://127.0.0.1:3000' }, store: 'memory:', routes });
});

afterAll(() => folder.remove());

async function explained(...request: readonly string[]): Promise<string> {
  const args = ['explain', '--config', 'onceward.yaml', '-X', 'PUT', '-d', '{}', ...request];
  return (await runBinary(args, { cwd: folder.path })).stdout;
}

describe('onceward explain', () => {
  it('says what a write needs besides, and refuses one without it', async () => {
    expect(await explained('/documents/1', '-H', 'If-Match: "1"')).toMatch(
      /condition +PUT, PATCH, DELETE need If-Match .*428 precondition-required/,
    );
    expect(await explained('/documents/1')).toMatch(/answer +428 precondition-required/);
  });

  it('says whose version is kept, and what becomes of a write that meets another', async () => {
    const text = await explained('/kept/1');

    expect(text).toMatch(
      /version +kept here, of \/kept\/\{id\}, for 30d .*\n +stale version +412 precondition-failed/,
    );
    expect(text).not.toContain('If-Match');
  });
});
