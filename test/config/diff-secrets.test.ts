import { expect, it } from 'vitest';
import { diffSecrets } from '../../src/config/diff-secrets.ts';
import { loadConfigText } from '../../src/config/load.ts';
import type { ResolvedConfig } from '../../src/config/resolved.ts';

const OLD = 'abcdefghijklmnopqrstuvwxyz012345';
const NEW = 'abcdefghijklmnopqrstuvwxyz543210';

function configOf(store: string, secrets: readonly string[]): ResolvedConfig {
  const text = `upstream: { url: http://127.0.0.1:1 }\nstore: { url: "${store}" }\nsecrets: [${secrets.join(', ')}]`;
  const loaded = loadConfigText(text, 'o.yaml', {});
  if (loaded.kind === 'ok') return loaded.config;
  throw new Error(loaded.faults.map((fault) => fault.text).join('\n'));
}

it.each([
  ['redis://r', [OLD], [OLD, NEW], []],
  ['redis://r', [OLD, NEW], [NEW, OLD], []],
  ['redis://r', [NEW, OLD], [NEW], [/^one of secrets is gone/]],
  ['redis://r', [OLD], [NEW, OLD], [/^the first of secrets is new/]],
  ['redis://r', [OLD], [NEW], [/^the first of secrets is new/, /^one of secrets is gone/]],
  ['lmdb:./x', [OLD], [NEW, OLD], []],
  ['lmdb:./x', [], [NEW], []],
  ['lmdb:./x', [OLD], [], [/^one of secrets is gone/]],
])('over %s, what a change of secrets costs is told: %j to %j', (store, before, after, expected) => {
  const changes = diffSecrets(configOf(store, before), configOf(store, after));

  expect(changes).toEqual(expected.map((text) => expect.stringMatching(text)));
  expect(changes.join()).not.toContain('abcdef');
});
