import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Folder, type Ran, runBinary, temporaryFolder } from '../support/child-proxy.ts';

/** `onceward check`: faults with their place, warnings, ok, and what a change does to keys. */

let folder: Folder;

beforeAll(() => {
  folder = temporaryFolder();
});

afterAll(() => folder.remove());

/** Relative paths, so that output does not depend on the folder. */
function check(...args: readonly string[]): Promise<Ran> {
  return runBinary(['check', ...args], { cwd: folder.path });
}

const BASE = 'upstream: { url: http://127.0.0.1:3000 }\n';

describe('onceward check', () => {
  it('prints ok for a file without faults and exits 0', async () => {
    folder.file('good.yaml', BASE);

    expect(await check('good.yaml')).toEqual({ code: 0, stdout: 'ok\n', stderr: '' });
  });

  it('prints every fault at once, each with its place, and exits 1', async () => {
    folder.file(
      'bad.yaml',
      [
        'upstream:',
        '  url: nonsense',
        'rotues: []',
        'defaults:',
        '  lease: 15',
        '  onUnknown: maybe',
        '',
      ].join('\n'),
    );

    const ran = await check('bad.yaml');

    expect(ran.code).toBe(1);
    expect(ran.stderr).toBe('');
    const places = ran.stdout
      .trimEnd()
      .split('\n')
      .map((line) => /^bad\.yaml:\d+:\d+: [^:]+:/.exec(line)?.[0]);
    expect(places).toEqual([
      'bad.yaml:2:8: upstream.url:',
      'bad.yaml:3:1: rotues:',
      'bad.yaml:5:10: defaults.lease:',
      'bad.yaml:6:14: defaults.onUnknown:',
    ]);
  });

  it('prints warnings with their place, and still ok', async () => {
    const shadowed = 'routes:\n  - { name: all }\n  - { name: never, match: { path: /v1 } }\n';
    folder.file('warned.yaml', BASE + shadowed);

    const ran = await check('warned.yaml');

    expect(ran.code).toBe(0);
    expect(ran.stdout).toMatch(/^warned\.yaml:4:\d+: routes\[1\][^:]*: warning: .*all.*\nok\n$/);
  });

  it('says that a file is not there', async () => {
    const ran = await check('none.yaml');

    expect(ran).toEqual({ code: 1, stdout: 'none.yaml: there is no such file\n', stderr: '' });
  });

  it.each([[[]], [['a.yaml', 'b.yaml']]])('wants one file, not %j', async (files) => {
    const ran = await check(...files);

    expect(ran.code).toBe(2);
    expect(ran.stderr).toBe('onceward check: give one file, as in: onceward check onceward.yaml\n');
  });
});

describe('onceward check --against', () => {
  const ROUTE = '  - name: pay\n    match: { path: /pay }\n';

  it.each([
    { what: 'keyspace', line: '    keyspace: eu\n', says: 'executes again' },
    { what: 'scope', line: '    scope: { headers: [X-Tenant] }\n', says: 'executes again' },
    { what: 'fingerprint', line: '    fingerprint: { query: parsed }\n', says: '409 policy-changed' },
  ])('says what a change of $what does to repeats, and exits 1', async ({ what, line, says }) => {
    folder.file('old.yaml', `${BASE}routes:\n${ROUTE}`);
    folder.file('new.yaml', `${BASE}routes:\n${ROUTE}${line}`);

    const ran = await check('new.yaml', '--against', 'old.yaml');

    expect(ran.code).toBe(1);
    expect(ran.stdout).toMatch(/^new\.yaml: change: route pay: .+\n$/);
    expect(ran.stdout).toContain(what);
    expect(ran.stdout).toContain(says);
  });

  it('is ok where a change touches no key, such as another name of a route or another lease', async () => {
    folder.file('old.yaml', `${BASE}routes:\n${ROUTE}`);
    folder.file(
      'new.yaml',
      `${BASE}routes:\n${ROUTE.replace('name: pay', 'name: payments')}    lease: 30s\n`,
    );

    expect(await check('new.yaml', '--against', 'old.yaml')).toEqual({ code: 0, stdout: 'ok\n', stderr: '' });
  });

  it('reports the faults of the old file', async () => {
    folder.file('old.yaml', 'upstream: 7\n');
    folder.file('new.yaml', BASE);

    const ran = await check('new.yaml', '--against', 'old.yaml');

    expect(ran.code).toBe(1);
    expect(ran.stdout).toMatch(/^old\.yaml:1:\d+: upstream/);
  });
});
