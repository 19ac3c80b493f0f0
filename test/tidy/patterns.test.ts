import { globSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parse } from '@babel/parser';
import { isSafe } from 'redos-detector';
import { expect, it } from 'vitest';

/** Every regular expression of the program, judged by how often its matcher can go back on any text. */

const ROOT = join(import.meta.dirname, '../..');

type Found = { readonly file: string; readonly source: string; readonly flags: string };

function patternsOf(file: string): readonly Found[] {
  const found: Found[] = [];
  const look = (node: unknown): void => {
    if (Array.isArray(node)) {
      for (const one of node) look(one);
      return;
    }
    if (typeof node !== 'object' || node === null) return;
    if ('type' in node && node.type === 'RegExpLiteral' && 'pattern' in node && 'flags' in node)
      found.push({ file: relative(ROOT, file), source: String(node.pattern), flags: String(node.flags) });
    for (const value of Object.values(node)) look(value);
  };
  look(parse(readFileSync(file, 'utf8'), { sourceType: 'module', plugins: ['typescript'] }).program.body);
  return found;
}

const FILES = [...globSync(join(ROOT, 'src/**/*.ts')), ...globSync(join(ROOT, 'client/*.{js,ts}'))];
const PATTERNS = FILES.flatMap(patternsOf);

it('there are patterns to judge, and the judge tells a bad one', () => {
  expect(PATTERNS.length).toBeGreaterThan(100);
  expect(isSafe(/^(?:a+)+$/).safe).toBe(false);
  expect(isSafe(/^a+$/).safe).toBe(true);
});

const ONE_PASS =
  'begins at a character that what follows it cannot have again: one pass over the text in all';
const ANCHORED = 'begins at the start of the text: one pass, and at most one back';

/** Where the judge counts a way back for each character: why that is bounded all the same, and by whom the text is given. */
const REVIEWED: Readonly<Record<string, string>> = {
  'src/store/redis/unavailable.ts: /^(?!ERR )([A-Z]{2,})\\b|: -([A-Z]{2,}) /': `${ONE_PASS}; an error of the store`,
  'src/observe/memory-use.ts: /^\\d+:(.*?):(.*)$/gm': 'a file of the kernel',
  'src/http/guard.ts: /^https?:\\/\\/([^/?#]*)(.*)$/i': `${ANCHORED}; limits.target`,
  'src/http/tls-server.ts: /(?:[^,"]|"(?:[^"\\\\]|\\\\.)*")+/g':
    'a certificate that an authority of the operator signed',
  'src/core/precondition.ts: /(W\\/)?"([\\x21\\x23-\\x7e\\x80-\\xff]*)"/y': `${ANCHORED}; limits.head`,
  'src/core/signature-twilio.ts: /(?:^|,)\\s*algorithm=HMAC_SHA256(?:,|$)/': `${ONE_PASS}; limits.head`,
  'src/core/signature-twilio.ts: /:\\d+$/': `${ONE_PASS}; limits.head`,
  'src/core/client-address.ts: /(?:[0-9]{1,3}\\.){3}[0-9]{1,3}$/':
    'looks at fifteen characters from each place; limits.head',
  'src/config/check-message.ts: /^(?:whsec_)?[A-Za-z0-9+/_-]+={0,2}$/': `${ANCHORED}; the configuration`,
  'src/config/field-http.ts: /:\\d+$/': `${ONE_PASS}; the configuration`,
  'src/cli/explain/described-request.ts: /^https?:\\/\\/([^/?#]+)(.*)$/i': 'the command line',
  "src/cli/explain/described-request.ts: /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \\t]*(.*?)[ \\t]*$/s":
    'the command line',
  "src/cli/audit/audit-requests.ts: /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}):[ \\t]*([^\\r\\n\\0]*?)[ \\t]*$/":
    'the command line',
  'src/cli/audit/openapi-document.ts: /\\{([^{}]*)\\}/g': `${ONE_PASS}; a document of the operator`,
  'src/cli/audit/openapi-document.ts: /[?#].*$/': 'a document of the operator',
  'src/cli/audit/openapi-document.ts: /\\/+$/': 'a document of the operator',
  'src/cli/audit/openapi-routes.ts: /^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g': 'a document of the operator',
  'src/cli/audit/requests.ts: /^https?:\\/\\/[^/?#]+(.*)$/i': `${ANCHORED}; a capture of the operator`,
  'src/cli/audit/requests.ts: /#.*$/': `${ANCHORED}; a capture of the operator`,
  'client/onceward-client.js: /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? .*\\d\\d:\\d\\d:\\d\\d/': `${ANCHORED}; a field of an answer`,
  'client/onceward-client.ts: /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? .*\\d\\d:\\d\\d:\\d\\d/': `${ANCHORED}; a field of an answer`,
};

it('no pattern goes back more than a bounded number of times, but those that were looked at', () => {
  const back = PATTERNS.filter(({ source, flags }) => !isSafe(new RegExp(source, flags)).safe);

  const names = back.map(({ file, source, flags }) => `${file}: /${source}/${flags}`);
  expect([...new Set(names)].toSorted()).toEqual(Object.keys(REVIEWED).toSorted());
});

/** Both of constants alone, once. */
const MADE = ['src/core/route.ts', 'src/core/sf-string.ts'];

it('no pattern is made of what comes from outside', () => {
  const made = FILES.filter((file) => /new RegExp\(/.test(readFileSync(file, 'utf8')));

  expect(made.map((file) => relative(ROOT, file)).toSorted()).toEqual(MADE);
});

it.each([
  ['a target', /^https?:\/\/([^/?#]*)(.*)$/i, (size: number) => `http://${'a'.repeat(size)}\n`],
  ['an entity tag', /(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"/y, (size: number) => `"${'a'.repeat(size)}`],
  ['an authority', /:\d+$/, (size: number) => `${':1'.repeat(size / 2)}x`],
  ['an algorithm', /(?:^|,)\s*algorithm=HMAC_SHA256(?:,|$)/, (size: number) => ', '.repeat(size / 2)],
])('what is said of %s is so: a text of a mebibyte is judged at once', (_what, pattern, textOf) => {
  const startMs = performance.now();
  pattern.test(textOf(2 ** 20));

  // Were it quadratic, it would be hours.
  expect(performance.now() - startMs).toBeLessThan(5_000);
});
