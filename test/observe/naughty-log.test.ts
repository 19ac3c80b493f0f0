import { expect, it } from 'vitest';
import { createLog, type Log } from '../../src/observe/log.ts';
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

const LONG = 'x'.repeat(2 ** 20);

/** Everything else that is told, with the text wherever there may be one from outside. */
const TELL: Readonly<Record<string, (log: Log, text: string) => void>> = {
  claimLost: (log, text) => log.claimLost(text, text),
  lockLost: (log, text) => log.lockLost(text),
  versionLost: (log, text) => log.versionLost(text, text),
  responseUnreadable: (log, text) => log.responseUnreadable(text, text, 'not-authentic', text),
  credentialRotated: (log, text) => log.credentialRotated(text, text, 'executed'),
  storeUnavailable: (log, text) => log.storeUnavailable('timeout', text),
  probeFailed: (log, text) => log.probeFailed(text, text),
  'unexpected, an error': (log, text) => log.unexpected(new Error(text)),
  'unexpected, a text': (log, text) => log.unexpected(text),
  event: (log, text) => log.event('warn', text, {}),
};

it.each(Object.entries(TELL))('%s is one line of JSON, whatever text is in it', (_what, tell) => {
  for (const text of OWN) {
    const sink = memoryDestination();
    tell(createLog({ level: 'info', destination: sink, wallMs: () => 0 }), text);

    expect(sink.lines).toHaveLength(1);
    const [line = ''] = sink.lines;
    expect(line.indexOf('\n')).toBe(line.length - 1);
    expect(() => JSON.parse(line)).not.toThrow();
  }
});

it.each([
  ['a request', (log: Log) => log.requestEnded(requestFields({ method: LONG, target: `/${LONG}` }))],
  ['an unavailable store', (log: Log) => log.storeUnavailable('timeout', LONG)],
  ['a probe', (log: Log) => log.probeFailed('route', LONG)],
  ['a defect', (log: Log) => log.unexpected(new Error(LONG))],
  ['an event', (log: Log) => log.event('warn', LONG, {})],
])('the line of %s has a bounded length', (_what, tell) => {
  const sink = memoryDestination();
  tell(createLog({ level: 'info', destination: sink, wallMs: () => 0 }));

  expect(sink.lines).toHaveLength(1);
  expect(sink.lines[0]?.length).toBeLessThan(10_000);
});

describeWithVectors('naughty strings in the log', ['blns.json'], (read) => {
  it('a line stays one line of JSON for each of them', () => {
    const strings = stringVectors(read('blns.json'));

    expect(strings.length).toBeGreaterThan(400);
    expectWhole(strings);
  });
});
