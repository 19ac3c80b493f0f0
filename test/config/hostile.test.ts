// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the syntax of variables in the file.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Loaded, loadConfigFile, loadConfigText } from '../../src/config/load.ts';
import { writeTemp } from './temp.ts';

const MIB = 1024 * 1024;

function load(text: string): Loaded {
  return loadConfigText(text, 'o.yaml', {});
}

function textsOf(loaded: Loaded): readonly string[] {
  return loaded.kind === 'faults' ? loaded.faults.map((fault) => fault.text) : [];
}

/** Nine levels of nine aliases each would be 387 million values. */
function bomb(): string {
  const names = [...'abcdefghi'];
  const lines = names.map((name, index) => {
    const before = names[index - 1];
    return `${name}: &${name} [${before === undefined ? 'x' : Array(9).fill(`*${before}`).join(', ')}]`;
  });
  return `upstream: { url: http://127.0.0.1:3000 }\n${lines.join('\n')}\n`;
}

describe('a hostile file', () => {
  it('with a bomb of aliases is refused', () => {
    expect(textsOf(load(bomb())).some((text) => text.includes('more than 50 aliases'))).toBe(true);
  });

  it('with an alias to its own parent is refused', () => {
    expect(textsOf(load('defaults: &a { key: *a }'))).not.toEqual([]);
  });

  it.each([
    ['brackets', '['.repeat(MIB - 1)],
    ['closing brackets', ']'.repeat(MIB - 1)],
    ['braces', '{'.repeat(MIB - 1)],
    ['dashes', '- '.repeat(MIB / 2 - 1)],
    ['question marks', '? '.repeat(MIB / 2 - 1)],
    [
      'names',
      Array.from({ length: 120_000 }, (_, index) => `k${index}:`)
        .join('\n')
        .slice(0, MIB - 1),
    ],
    ['quotes', '"'.repeat(MIB - 1)],
    ['aliases', '- *a\n'.repeat(MIB / 5)],
    ['anchors', '&a '.repeat(MIB / 3 - 1)],
    ['directives', '%a\n'.repeat(MIB / 3 - 1)],
    ['tags', '!a '.repeat(MIB / 3 - 1)],
    ['lines', '\n'.repeat(MIB - 1)],
    ['one word', 'x'.repeat(MIB - 1)],
  ])('of a million %s is refused within seconds', (_, text) => {
    const started = performance.now();

    const loaded = load(text);

    expect(loaded.kind).toBe('faults');
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('of more than 1 MiB is refused unread', () => {
    expect(textsOf(load('#'.repeat(MIB + 1)))).toEqual(['o.yaml:1:1: the file is larger than 1 MiB']);
  });

  it('with many faults is answered with a bounded number of lines', () => {
    const text = `upstream: { url: http://127.0.0.1:3000 }\n${Array.from({ length: 5000 }, (_, index) => `field${index}: 1`).join('\n')}`;

    const faults = textsOf(load(text));

    expect(faults).toHaveLength(101);
    expect(faults.at(-1)).toBe('o.yaml: and 4900 more faults');
  });

  it('cannot change what other objects inherit', () => {
    load(
      '__proto__: { polluted: 1 }\nconstructor: { prototype: { polluted: 1 } }\nroutes: [{ match: { headers: { __proto__: a } } }]',
    );

    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  it('cannot repaint the terminal with a name', () => {
    const [text] = textsOf(load('upstream: { url: http://127.0.0.1:3000 }\n"\\e[2Jx\\n": 1'));

    expect(text).toBe('o.yaml:2:1: ?[2Jx?: is not a known field');
  });

  it('never has a value of its own repeated in a fault', () => {
    const secret = 'hunter2hunter2';
    const text = `upstream: { url: ${secret} }\nlisten: ${secret}\nsecrets: [${secret}]\nstore: ${secret}\nlog: { level: ${secret} }\ndefaults: { lease: ${secret}, key: { sources: [{ json: ${secret} }] } }`;

    const faults = textsOf(load(text));

    expect(faults.length).toBeGreaterThan(5);
    expect(faults.filter((fault) => fault.includes(secret))).toEqual([]);
  });

  it.each([
    ['that is not UTF-8', Buffer.from([0x75, 0xff, 0xfe]), 'the file is not UTF-8 text'],
    ['that is too large', Buffer.alloc(MIB + 1, 0x23), 'the file is larger than 1 MiB'],
  ])('%s is refused by name', async (_, content, message) => {
    const file = await writeTemp(content);

    expect(textsOf(await loadConfigFile(file, {}))).toEqual([`${file}: ${message}`]);
  });

  it('that is not there is a fault', async () => {
    expect(textsOf(await loadConfigFile('/nowhere/onceward.yaml', {}))).toEqual([
      '/nowhere/onceward.yaml: there is no such file',
    ]);
  });
});

/** Text that looks enough like a configuration to get past the first judge. */
const nearly = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        'upstream:',
        'routes:',
        'defaults:',
        '- ',
        '  ',
        '\n',
        'name: a',
        'key:',
        'url: http://a',
        'match:',
        'path: /a',
        '{',
        '}',
        '[',
        ']',
        ', ',
        'inFlight: ',
        'status: ',
        '503: park',
        '${A}',
        '${',
        '&a ',
        '*a',
        '"',
        "'",
        '|\n',
        'null',
        '~',
        '1e9',
        '.inf',
        '!!x ',
        '? ',
        ': ',
        '<<: ',
        '#',
        '\t',
        '---\n',
        '%',
        '@',
        '`',
      ),
      fc.string({ unit: 'binary', maxLength: 5 }),
    ),
    { maxLength: 40 },
  )
  .map((parts) => parts.join(''));

describe('whatever the text', () => {
  it('loading ends in a configuration or in faults that can be shown on a line each', () => {
    fc.assert(
      fc.property(fc.oneof(nearly, fc.string({ unit: 'binary' })), (text) => {
        const loaded = load(text);

        const texts = textsOf(loaded);
        expect(loaded.kind === 'ok' || texts.length > 0).toBe(true);
        expect(texts.filter((line) => /[\n\r]/.test(line))).toEqual([]);
      }),
      { numRuns: 1500 },
    );
  });
});
