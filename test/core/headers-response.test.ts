import { describe, expect, it } from 'vitest';
import {
  endToEndResponseHeaders,
  informationalHeaders,
  markKeyed,
  mayHaveBody,
  replayHeaders,
  retryAfterMs,
} from '../../src/core/headers.ts';
import type { StoredResponse } from '../../src/core/record.ts';

/** Whole lists of field lines: nothing is there that should not be, and in this order. */

const HOPS = [
  'Connection',
  'Keep-Alive',
  'Proxy-Connection',
  'TE',
  'Trailer',
  'Transfer-Encoding',
  'Upgrade',
] as const;

describe('a response', () => {
  it.each(HOPS)('final or informational, loses %s', (name) => {
    expect(endToEndResponseHeaders(['Date', 'd', name, 'x', 'Y', '1'], 0)).toEqual(['Date', 'd', 'Y', '1']);
    expect(informationalHeaders([name, 'x', 'Link', '1'])).toEqual(['Link', '1']);
  });

  it('final or informational, loses what its connection names', () => {
    const rawHeaders = ['Connection', 'x', 'X', '1', 'Date', 'd'];

    expect(endToEndResponseHeaders(rawHeaders, 0)).toEqual(['Date', 'd']);
    expect(informationalHeaders(rawHeaders)).toEqual(['Date', 'd']);
  });

  it('informational speaks of no outcome and no length, and needs no Date', () => {
    expect(
      informationalHeaders([
        ...['Idempotency-Status', 'executed', 'Content-Length', '1', 'IDEMPOTENT-REPLAYED', 'true'],
        ...['Link', '</a>', 'X'],
      ]),
    ).toEqual(['Link', '</a>', 'X', '']);
  });

  it('keeps a name without a value, renamed where it would be taken for ours', () => {
    expect(endToEndResponseHeaders(['DATE', 'd', 'X'], 0)).toEqual(['DATE', 'd', 'X', '']);
    expect(endToEndResponseHeaders(['date', 'd', 'idempotent-replayed'], 0)).toEqual([
      ...['date', 'd', 'Onceward-Upstream-idempotent-replayed', ''],
    ]);
  });

  it('gets the Date of each second', () => {
    const dates = [1_000, 1_999, 2_000, 1_000].map((nowMs) => endToEndResponseHeaders(['X', '1'], nowMs));

    expect(dates).toEqual(
      ['01', '01', '02', '01'].map((second) => [
        ...['X', '1', 'Date', `Thu, 01 Jan 1970 00:00:${second} GMT`],
      ]),
    );
  });
});

const EXPOSE = 'Access-Control-Expose-Headers';
const NAMES = 'Idempotency-Status, Idempotent-Replayed';
const OPEN = ['Access-Control-Allow-Origin', '*'];

describe('a marked response', () => {
  it.each([
    [
      ['A', 'b'],
      ['A', 'b'],
    ],
    [['A'], ['A', '']],
    [OPEN, [...OPEN, EXPOSE, NAMES]],
    [
      [EXPOSE, 'X-Id'],
      [EXPOSE, `X-Id, ${NAMES}`],
    ],
    [
      [EXPOSE, ' '],
      [EXPOSE, NAMES],
    ],
    [[EXPOSE], [EXPOSE, NAMES]],
    [
      [EXPOSE, 'a', ...OPEN],
      [EXPOSE, `a, ${NAMES}`, ...OPEN],
    ],
    [
      [...OPEN, EXPOSE, 'a'],
      [...OPEN, EXPOSE, `a, ${NAMES}`],
    ],
    [
      [EXPOSE, 'a', EXPOSE, 'b'],
      [EXPOSE, `a, ${NAMES}`, EXPOSE, 'b'],
    ],
    [
      ['Access-Control-Allow-Methods', 'x'],
      ['Access-Control-Allow-Methods', 'x'],
    ],
  ])('with %j has %j and the marks', (rawHeaders, before) => {
    expect(markKeyed(rawHeaders, 'executed')).toEqual([...before, 'Idempotency-Status', 'executed']);
  });

  it.each([
    ['executed', []],
    ['unstored', []],
    ['replayed', ['Idempotent-Replayed', 'true']],
    ['joined', ['Idempotent-Replayed', 'true']],
  ] as const)('that was %s says so', (status, replayed) => {
    expect(markKeyed([], status)).toEqual(['Idempotency-Status', status, ...replayed]);
  });
});

describe('a repeat', () => {
  type Full = Extract<StoredResponse, { kind: 'full' }>;
  const stored: Full = {
    kind: 'full',
    status: 200,
    rawHeaders: [],
    body: Buffer.from('four'),
    receivedAtMs: 1_000,
  };
  const KEEP = { withheldHeaders: [], setCookie: 'keep' as const };
  const MARKS = ['Idempotency-Status', 'replayed', 'Idempotent-Replayed', 'true'];
  const lines = (
    rawHeaders: readonly string[],
    replay: Parameters<typeof replayHeaders>[1]['replay'] = KEEP,
  ) => replayHeaders({ ...stored, rawHeaders }, { replay }, 'replayed', 3_999);

  it.each([
    [[], ['Content-Length', '4', 'Age', '2']],
    [
      ['CONTENT-LENGTH', '4'],
      ['CONTENT-LENGTH', '4', 'Age', '2'],
    ],
    [['X'], ['X', '', 'Content-Length', '4', 'Age', '2']],
    [
      ['Age', '10', 'X', '1'],
      ['X', '1', 'Content-Length', '4', 'Age', '12'],
    ],
    [
      ['age', '0'],
      ['Content-Length', '4', 'Age', '2'],
    ],
    [
      ['Age', '-5'],
      ['Content-Length', '4', 'Age', '2'],
    ],
    [
      ['Age', 'old'],
      ['Content-Length', '4', 'Age', '2'],
    ],
    [['Age'], ['Content-Length', '4', 'Age', '2']],
    [
      ['Set-Cookie', 'a'],
      ['Set-Cookie', 'a', 'Content-Length', '4', 'Age', '2'],
    ],
  ])('of %j has %j', (rawHeaders, expected) => {
    expect(lines(rawHeaders)).toEqual([...expected, ...MARKS]);
  });

  it('withholds what the route names and nothing else', () => {
    const rawHeaders = ['Set-Cookie', 'a', 'X-One', '1', 'X-Two', '2', 'Content-Length', '4'];
    const rest = ['Content-Length', '4', 'Age', '2', ...MARKS];

    expect(lines(rawHeaders, { withheldHeaders: ['x-one'], setCookie: 'keep' })).toEqual([
      ...['Set-Cookie', 'a', 'X-Two', '2', ...rest],
    ]);
    expect(lines(rawHeaders, { withheldHeaders: [], setCookie: 'withhold' })).toEqual([
      ...['X-One', '1', 'X-Two', '2', ...rest],
    ]);
  });
});

describe('a status', () => {
  it.each([
    [100, false],
    [199, false],
    [200, true],
    [203, true],
    [204, false],
    [205, true],
    [304, false],
    [500, true],
  ])('%i may have a body: %s', (status, may) => {
    expect(mayHaveBody(status)).toBe(may);
  });
});

describe('Retry-After', () => {
  it.each([
    ['999999999', 999_999_999_000],
    ['12', 12_000],
    ['1x', null],
    ['x1', null],
    ['', null],
  ])('of %j is %j', (value, ms) => {
    expect(retryAfterMs(value, 0)).toBe(ms);
  });
});
