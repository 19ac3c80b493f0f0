import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/main.ts';
import { runBinary } from '../support/child-proxy.ts';
import { type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { freePort } from '../support/free-port.ts';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';
import { keyed, problemCode, sendRequest } from '../support/send-request.ts';

/** One of 64 does. */
const HYPHENED = `-${'rY7_'.repeat(10)}pT`;
const TOKEN = '0123456789abcdefghijklmnopqrstuv';
let backend: CountingBackend;
let proxy: TestProxy;
let admin: string;

beforeAll(async () => {
  backend = await startCountingBackend((arrival) => arrival.reset());
  const port = await freePort();
  admin = `http://127.0.0.1:${port}`;
  proxy = await startProxyWith(`
listen: 127.0.0.1:0
observe: off
admin: { listen: "127.0.0.1:${port}", tokens: { ops: ${TOKEN} } }
upstream: { url: "${backend.origin}" }
store: memory
routes: [{ name: charges }]
`);
});

afterAll(async () => {
  await proxy.close();
  await backend.close();
});

const keys = (...args: readonly string[]) =>
  runBinary(['keys', ...args], { env: { ONCEWARD_ADMIN: admin, ONCEWARD_ADMIN_TOKEN: TOKEN } });

async function unknownKey(key: string): Promise<string> {
  await sendRequest(proxy.port, { headers: keyed(key) });
  const found = await keys(
    'find',
    '--route',
    'charges',
    '--key',
    key,
    '-H',
    'Authorization: Bearer one',
    '--json',
  );
  return JSON.parse(found.stdout).records[0].recordKey;
}

// Nearly every step is a process of its own, of seconds on a busy machine.
describe('onceward keys', { timeout: 300_000 }, () => {
  it('finds, lists and shows a record, and resolves it for the next repeat', async () => {
    const recordKey = await unknownKey('k1');
    expect(problemCode(await sendRequest(proxy.port, { headers: keyed('k1') }))).toBe('outcome-unknown');

    const listed = await keys('ls', '--state', 'unknown');
    const shown = await keys('show', recordKey);
    const resolved = await keys(
      'resolve',
      recordKey,
      '--completed',
      '--status',
      '201',
      '-H',
      'X-By: hand',
      '-d',
      '{"id":1}',
    );

    expect(listed.stdout).toMatch(
      new RegExp(`^RECORD KEY +STATE +FOR +REASON +TOKEN +EXPIRES IN\n${recordKey} +unknown .*reset`),
    );
    expect(shown.stdout).toContain(`recordKey: ${recordKey}\nstate: unknown\n`);
    expect(resolved).toEqual({ code: 0, stdout: 'resolved: completed\n', stderr: '' });
    const repeat = await sendRequest(proxy.port, { headers: keyed('k1') });
    expect([repeat.status, repeat.headers['x-by'], repeat.body.toString()]).toEqual([
      201,
      'hand',
      '{"id":1}',
    ]);
    expect(proxy.lines.filter(({ msg }) => msg === 'audit')).toMatchObject([
      { who: 'ops', action: 'resolve' },
    ]);
  });

  it.each([
    ['404', ['show', HYPHENED]],
    ['404', ['show', '--json', HYPHENED]],
    ['404', ['show', '--', HYPHENED]],
    ['forgotten', ['forget', HYPHENED, '--force']],
    ['no records', ['ls', '--cursor', HYPHENED]],
    ['no records', ['ls', `--cursor=${HYPHENED}`]],
  ] as const)('says %s where %j has a record key that begins with a hyphen', async (said, args) => {
    const ended = await keys(...args);

    expect(`${ended.stdout}${ended.stderr}`).toContain(said);
  });

  it('forgets an unknown record only by force', async () => {
    const recordKey = await unknownKey('k2');

    const refused = await keys('forget', recordKey);
    const forced = await keys('forget', recordKey, '--force');

    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('409') });
    expect(forced).toEqual({ code: 0, stdout: 'forgotten\n', stderr: '' });
  });

  it.each([
    [['ls', 'x'], 'too many arguments'],
    [['show'], 'give one record key'],
    [['list'], 'ls, show, find, resolve or forget'],
    [['resolve', 'x'], '--released and --completed'],
    [['resolve', 'x', '--released', '--completed'], '--released and --completed'],
    [['resolve', 'x', '--completed'], '--status'],
    [['resolve', 'x', '--released', '-d', 'y'], 'no answer'],
    [['find', '--key', 'x'], '--route and --key'],
    [['ls', '-H', 'none'], 'Name: value'],
    [['ls', '--nonsense'], 'nonsense'],
  ])('%j is no command line', async (args, said) => {
    const [out, err]: [string[], string[]] = [[], []];

    const code = await main(['keys', ...args], {
      out: (text) => void out.push(text),
      err: (text) => void err.push(text),
      env: {},
      onSignal: () => () => undefined,
      exitNow: () => undefined,
      isTty: () => false,
    });

    expect([code, out]).toEqual([2, []]);
    expect(err.join('')).toMatch(said);
  });

  it('goes on over empty pages of a large store until there is something to show', async () => {
    const asked: string[] = [];
    const pages = [
      { records: [], cursor: 'a' },
      { records: [], cursor: 'b' },
      { records: [{ recordKey: 'Jx3', state: 'unknown' }], cursor: 'c' },
    ];
    const server = createServer((request, response) => {
      const page = pages[asked.push(request.url ?? '') - 1];
      response.end(JSON.stringify(page));
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;

    const ran = await keys('ls', '--state', 'unknown', '--admin', `http://127.0.0.1:${port}`);
    server.close();

    expect(asked).toEqual([
      '/keys?state=unknown',
      '/keys?state=unknown&cursor=a',
      '/keys?state=unknown&cursor=b',
    ]);
    expect(ran).toMatchObject({ code: 0, stdout: expect.stringContaining("more: --cursor 'c'") });
    expect(ran.stdout).toContain('Jx3');
  });

  it('says where it looked when nothing is there', async () => {
    const nowhere = `http://127.0.0.1:${await freePort()}`;

    const ran = await keys('ls', '--admin', nowhere);

    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toContain(`cannot reach the admin port at ${nowhere}`);
  });
});
