// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the syntax of variables in the file.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Loaded, loadConfigText } from '../../src/config/load.ts';
import { printConfig } from '../../src/config/print.ts';

const GOLDEN = join(import.meta.dirname, 'golden');
const ENV = {
  SECRET: '0123456789abcdef0123456789abcdef',
  PASSWORD: 'hunter2',
  ODD: 'a: [b, #c] ${x} "\u2028"',
};

function load(text: string, env: Readonly<Record<string, string>> = ENV): Extract<Loaded, { kind: 'ok' }> {
  const loaded = loadConfigText(text, 'o.yaml', env);
  if (loaded.kind === 'ok') return loaded;
  throw new Error(loaded.faults.map((fault) => fault.text).join('\n'));
}

const UPSTREAM = 'upstream: { url: http://127.0.0.1:3000 }';

describe('the printed configuration', () => {
  const printable = readdirSync(GOLDEN).filter((file) =>
    ['aliases.yaml', 'inherits.yaml', 'least.yaml', 'warnings.yaml'].includes(file),
  );

  it.each([...printable, '../../../config/onceward.example.yaml'])(
    'of %s loads again as the same one',
    (file) => {
      const first = load(readFileSync(join(GOLDEN, file), 'utf8'));

      const second = load(printConfig(first.effective));

      expect({ ...second.config, warnings: [] }).toEqual({ ...first.config, warnings: [] });
    },
  );

  it('keeps text that YAML or a variable would read otherwise', () => {
    const first = load(
      `${UPSTREAM}\nstore: { url: redis://h, keyPrefix: "\${ODD}" }\nsecrets: ["\${SECRET}"]\nroutes: [{ name: a, match: { headers: { X: "1", Y: "null", Z: "0x10", "on": "- a" } } }]`,
    );

    const second = load(printConfig(first.effective));

    expect(second.config.store).toEqual(first.config.store);
    expect(second.config.routes).toEqual(first.config.routes);
  });

  it('masks what a probe shows the backend, unless it is written as variables', () => {
    const probe = (value: string): string => `${UPSTREAM}
routes:
  - name: a
    reconcile:
      request: { path: "/p/{key}", headers: { Accept: text/plain, X-Api-Key: "${value}" } }
      rules: [{ when: {}, verdict: unsure }]`;

    const masked = printConfig(load(probe('hunter2')).effective);

    expect(masked).toContain('X-Api-Key: "********"');
    expect(masked).toContain('Accept: text/plain');
    expect(printConfig(load(probe('Bearer ${PASSWORD}')).effective)).toContain('"Bearer ${PASSWORD}"');
    expect(printConfig(load(probe('${NONE:-hunter2}')).effective)).not.toContain('hunter2');
  });

  it('says where each value comes from', () => {
    const printed = printConfig(
      load('upstream:\n  url: http://127.0.0.1:3000\nlisten: ${LISTEN}\n', { LISTEN: '127.0.0.1:1' })
        .effective,
    );

    expect(printed).toContain('  url: "http://127.0.0.1:3000"  # o.yaml:2:8\n');
    expect(printed).toContain('listen: "127.0.0.1:1"  # env LISTEN\n');
    expect(printed).toContain('  lease: 15s  # default\n');
  });

  it.each([
    ['a secret in the file', `${UPSTREAM}\nsecrets: [abcdefghijklmnopqrstuvwxyz012345]`, 'abcdefghijkl'],
    ['a secret from a variable', `${UPSTREAM}\nsecrets: ["\${SECRET}"]`, '0123456789abcdef'],
    [
      'a secret that is the default of a variable',
      `${UPSTREAM}\nsecrets: ["\${UNSET:-abcdefghijklmnopqrstuvwxyz012345}"]`,
      'abcdefghijkl',
    ],
    [
      'the secret of a sender',
      `${UPSTREAM}\nroutes: [{ name: a, message: { preset: github, secrets: ["hunter2hunter2", "\${SECRET}"] } }]`,
      'hunter2',
    ],
    ['a password in a URL', `${UPSTREAM}\nstore: redis://user:hunter2@h\nsecrets: ["\${SECRET}"]`, 'hunter2'],
    [
      'a password with an @ in it',
      `${UPSTREAM}\nstore: "redis://user:hunter2@more@h/0"\nsecrets: ["\${SECRET}"]`,
      'hunter2',
    ],
    [
      'a password without a user',
      `${UPSTREAM}\nstore: "redis://:\${PASSWORD}@h"\nsecrets: ["\${SECRET}"]`,
      'hunter2',
    ],
    [
      'a password in a query',
      `${UPSTREAM}\nstore: "redis://h?password=hunter2"\nsecrets: ["\${SECRET}"]`,
      'hunter2',
    ],
  ])('masks %s', (_, text, secret) => {
    const printed = printConfig(load(text).effective);

    expect(printed).not.toContain(secret);
    expect(printed).toContain('secrets:');
  });

  it.each([
    ['in the file', 'key: abcdefghijklmnopqrstuvwxyz0123456789ABCDEF0='],
    ['that is the default of a variable', 'key: "${UNSET:-abcdefghijklmnopqrstuvwxyz0123456789ABCDEF0=}"'],
  ])('masks an encryption key %s, and shows its id', (_, key) => {
    const printed = printConfig(load(`${UPSTREAM}\nencryption: { keys: [{ id: k1, ${key} }] }`).effective);

    expect(printed).not.toContain('abcdefghijkl');
    expect(printed).toMatch(/- id: k1 .*\n +key: "\*{8}" /);
  });

  it('shows an encryption key from a variable as the variable, and loads again', () => {
    const env = { KEY: 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEF0=' };
    const first = load(`${UPSTREAM}\nencryption: { keys: [{ id: k1, key: "\${KEY}" }] }`, env);

    const printed = printConfig(first.effective);

    expect(printed).toContain('key: "${KEY}"  # env KEY\n');
    expect(load(printed, env).config.encryption).toEqual(first.config.encryption);
  });

  it('masks the password for sentinels, and what came from a variable stays one', () => {
    const file = (password: string): string =>
      `${UPSTREAM}\nsecrets: ["0123456789abcdef0123456789abcdef"]\nstore: { url: redis://a:pa55@s:1, sentinel: { name: main, password: ${password} } }`;

    const masked = printConfig(load(file('word-of-sentinels')).effective);
    expect(masked).not.toMatch(/word-of-sentinels|pa55/);
    expect(masked).toMatch(/ {4}password: "\*{8}" {2}# /);
    expect(printConfig(load(file('"${WORD}"'), { WORD: 'word-of-sentinels' }).effective)).toContain(
      'password: "${WORD}"  # env WORD\n',
    );
  });

  it('shows a secret from a variable as the variable', () => {
    expect(printConfig(load(`${UPSTREAM}\nsecrets: ["\${SECRET}"]`).effective)).toContain(
      'secrets: ["${SECRET}"]  # env SECRET\n',
    );
  });
});

describe('the origins', () => {
  it('name every effective value', () => {
    const { origins } = load(`${UPSTREAM}\ndefaults: { lease: 20s }\nroutes: [{ name: a, retain: 1h }]`);

    expect(origins.get('routes[0].lease')).toBe('o.yaml:2:20');
    expect(origins.get('routes[0].retain')).toBe('o.yaml:3:29');
    expect(origins.get('routes[0].key.sources[0].header')).toBe('default');
  });
});
