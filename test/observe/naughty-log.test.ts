import { expect, it } from 'vitest';
import { createLog } from '../../src/observe/log.ts';
import { describeWithVectors, stringVectors } from '../support/vectors.ts';
import { memoryDestination, requestFields } from './memory-destination.ts';

const OWN = ['\u2028', '\u0000', '\ud800', '"}\n{"level":"fatal"}', '\u001b[2J', '%s%j%o', '\\', '"', '\r\n'];

/** Logs every string in every field of both kinds of lines; returns what each line parses to, two for each string. */
function logged(strings: readonly string[]): readonly Record<string, unknown>[] {
  const sink = memoryDestination();
  const log = createLog({ level: 'info', destination: sink, wallMs: () => 0 });
  for (const text of strings) {
    log.requestEnded(
      requestFields({ route: text, method: text, target: `/${text}`, peer: text, recordKey: text }),
    );
    log.event('info', text, { fact: text });
  }
  return sink.lines.map((line) => {
    expect(line.indexOf('\n')).toBe(line.length - 1);
    return JSON.parse(line) as Record<string, unknown>;
  });
}

function expectWhole(strings: readonly string[]): void {
  const lines = logged(strings);

  expect(lines).toHaveLength(strings.length * 2);
  for (const [at, text] of strings.entries()) {
    expect(lines[at * 2]).toMatchObject({ level: 'info', route: text, peer: text, msg: 'request' });
    expect(lines[at * 2 + 1]).toMatchObject({ level: 'info', fact: text });
  }
}

it('whatever a client sends, a line stays one line of JSON and is read as it was sent', () => {
  expectWhole(OWN);
});

describeWithVectors('naughty strings in the log', ['blns.json'], (read) => {
  it('a line stays one line of JSON for each of them', () => {
    const strings = stringVectors(read('blns.json'));

    expect(strings.length).toBeGreaterThan(400);
    expectWhole(strings);
  });
});
