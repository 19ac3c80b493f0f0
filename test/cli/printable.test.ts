import { expect, it } from 'vitest';
import { printable } from '../../src/cli/printable.ts';
import { runBinary } from '../support/child-proxy.ts';

it.each([
  ['plain text, a tab and a line feed as they are', 'a\tb\né ü 漢 😀', 'a\tb\né ü 漢 😀'],
  ['an escape sequence', '\u001b[2J\u001b]0;x\u0007', '\\u001b[2J\\u001b]0;x\\u0007'],
  ['one of eight bits', '\u009b2J\u0085', '\\u009b2J\\u0085'],
  ['a carriage return and a backspace', 'ok\rno\b', 'ok\\u000dno\\u0008'],
  ['another direction', '\u202egnp.exe\u2066', '\\u202egnp.exe\\u2066'],
  ['separators of lines', 'a\u2028b\u2029', 'a\\u2028b\\u2029'],
  ['NUL and DEL', '\u0000\u007f', '\\u0000\\u007f'],
])('a terminal gets %s', (_what, text, shown) => {
  expect(printable(text)).toBe(shown);
});

it('within JSON it is the same text', () => {
  const text = JSON.stringify({ path: '\u001b\u202e\u0085\u2028' });

  expect(JSON.parse(printable(text))).toEqual(JSON.parse(text));
});

it('no command writes what its arguments or files bring along to a terminal', async () => {
  const hostile = '/a\u001b[2J\u202eb\u009b';
  const ran = [
    await runBinary(['check', `${hostile}.yaml`]),
    await runBinary(['explain', '--config', 'config/onceward.example.yaml', '-X', 'POST', hostile]),
    await runBinary([`${hostile}`]),
    await runBinary(['keys', 'show', hostile]),
    await runBinary(['audit', hostile]),
  ];

  for (const { stdout, stderr } of ran) {
    expect(`${stdout}${stderr}`).not.toBe('');
    expect(printable(`${stdout}${stderr}`)).toBe(`${stdout}${stderr}`);
  }
});
