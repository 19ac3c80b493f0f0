import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Folder, type Ran, runBinary, temporaryFolder } from '../support/child-proxy.ts';

const GOLDEN = join(import.meta.dirname, 'golden');

let folder: Folder;

beforeAll(() => {
  folder = temporaryFolder();
  const routes = [{ name: 'stock', match: { path: '/stock' }, sequence: {} }];
  folder.config({ upstream: { url: 'http://127.0.0.1:3000' }, store: 'memory:', routes });
});

afterAll(() => folder.remove());

function explain(...fields: readonly string[]): Promise<Ran> {
  const caller = 'Authorization: Bearer very-secret';
  const given = [caller, ...fields].flatMap((field) => ['-H', field]);
  const args = ['--config', 'onceward.yaml', '-X', 'POST', '/stock', ...given, '-d', '{}'];
  return runBinary(['explain', ...args], { cwd: folder.path });
}

describe('onceward explain', () => {
  it('tells what the number of a producer leads to', async () => {
    const ran = await explain(
      'Producer-Id: 0123456789abcdef0123456789abcdef',
      'Producer-Epoch: 2',
      'Producer-Sequence: 17',
    );

    await expect(ran.stdout).toMatchFileSnapshot(join(GOLDEN, 'explain-sequence.txt'));
  });

  it('refuses a request without one, where the route has a sequence', async () => {
    expect((await explain()).stdout).toMatch(/answer +400 sequence-missing/);
  });
});
