import { expect, it } from 'vitest';
import { diffEncryption } from '../../src/config/diff-encryption.ts';
import { loadConfigText } from '../../src/config/load.ts';
import type { ResolvedConfig } from '../../src/config/resolved.ts';

/** The nth key that looks random enough. */
function keyOf(n: number): string {
  return Buffer.from(Array.from({ length: 32 }, (_, at) => at * 7 + n)).toString('hex');
}

function configOf(store: string, keys: readonly (readonly [id: string, n: number])[]): ResolvedConfig {
  const list = keys.map(([id, n]) => `{ id: ${id}, key: "${keyOf(n)}" }`).join(', ');
  const loaded = loadConfigText(
    `upstream: { url: http://127.0.0.1:1 }\nstore: { url: "${store}" }\nsecrets: [abcdefghijklmnopqrstuvwxyz012345]\nencryption: { keys: [${list}] }`,
    'o.yaml',
    {},
  );
  if (loaded.kind === 'ok') return loaded.config;
  throw new Error(loaded.faults.map((fault) => fault.text).join('\n'));
}

it.each([
  ['begins', 'sealed', 'sealed-only', [/^encryption.responses is sealed-only from now on; .*not executed$/]],
  ['goes on', 'sealed-only', 'sealed-only', []],
  ['ends', 'sealed-only', 'sealed', []],
] as const)(
  'where only sealed responses are served, and that %s, it is told',
  (_what, before, after, expected) => {
    const config = configOf('lmdb:./x', [['k1', 1]]);
    const having = (responses: 'sealed' | 'sealed-only'): ResolvedConfig => ({
      ...config,
      encryption: { ...config.encryption, responses },
    });

    expect(diffEncryption(having(before), having(after))).toEqual(
      expected.map((text) => expect.stringMatching(text)),
    );
  },
);

const REDIS = 'redis://h';
const K1 = ['k1', 1] as const;
const K2 = ['k2', 2] as const;

it.each([
  ['nothing', REDIS, [K1], [K1], []],
  ['a second key', REDIS, [K1], [K1, K2], []],
  ['another order', REDIS, [K1, K2], [K2, K1], []],
  ['a key that is dropped', REDIS, [K2, K1], [K2], [/^encryption key k1 is gone; .*not executed$/]],
  ['the end of encryption', REDIS, [K1], [], [/^encryption key k1 is gone/]],
  ['another key of an old name', REDIS, [K1], [['k1', 9]], [/^encryption key k1 is another key/]],
  ['a key that is new and first', REDIS, [K1], [K2, K1], [/^encryption key k2 is new and seals at once/]],
  ['encryption that begins', REDIS, [], [K1], [/^encryption key k1 is new and seals at once/]],
  ['the same on one machine', 'lmdb:./x', [K1], [K2, K1], []],
] as const)('of %s is told what it does to stored responses', (_what, store, before, after, expected) => {
  const changes = diffEncryption(configOf(store, before), configOf(store, after));

  expect(changes).toEqual(expected.map((text) => expect.stringMatching(text)));
});
