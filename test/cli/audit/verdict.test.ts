import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Answer, differences, type Ignore } from '../../../src/cli/audit/difference.ts';
import { judgeTrial, type Seen, type Trial } from '../../../src/cli/audit/verdict.ts';

const NOTHING: Ignore = { fields: new Set(), pointers: [] };

function seen(status: number, body: unknown = '', rawHeaders: readonly string[] = []): Seen & Answer {
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return { kind: 'answer', status, rawHeaders, body: bytes };
}

const LOST: Seen = { kind: 'no-answer', detail: 'reset' };

type Reads = readonly [Seen, Seen, Seen] | null;

function trial(first: Seen, second: Seen, reads: Reads, method = 'PUT'): Trial {
  return {
    ...{ method, first, second },
    state: reads === null ? null : { target: '/x', between: [reads[0], reads[1]], after: reads[2] },
    requestClass: method === 'GET' ? 'safe' : 'idempotent',
  };
}

const OK = seen(200, { ok: true });
const ONE = seen(200, { value: 1 });
const TWO = seen(200, { value: 2 });
const GONE = seen(404);

describe('the verdict', () => {
  it.each<[string, Trial, string, readonly string[]]>([
    ['the same answer and state', trial(OK, OK, [ONE, ONE, ONE]), 'idempotent', []],
    ['created, then replaced', trial(seen(201), seen(200), [ONE, ONE, ONE]), 'idempotent', []],
    ['a counter', trial(OK, OK, [ONE, ONE, TWO]), 'not-idempotent', ['what GET /x reads: /value: 1 → 2']],
    [
      'a second deletion that finds nothing',
      trial(seen(204), GONE, [GONE, GONE, GONE], 'DELETE'),
      'answer-differs',
      ['the second answer: status: 204 → 404'],
    ],
    [
      'an answer that counts, over the same state',
      trial(ONE, TWO, [OK, OK, OK]),
      'answer-differs',
      ['the second answer: /value: 1 → 2'],
    ],
    [
      'something that is gone after the second',
      trial(OK, OK, [ONE, ONE, GONE]),
      'not-idempotent',
      ['what GET /x reads: status: 200 → 404', 'what GET /x reads: body: "{\\"value\\":1}" → ""'],
    ],
    [
      'a member that changes by itself, and nothing else',
      trial(OK, OK, [seen(200, { v: 1, now: 1 }), seen(200, { v: 1, now: 2 }), seen(200, { v: 1, now: 3 })]),
      'idempotent',
      [],
    ],
    [
      'a member that changes by itself, and another',
      trial(OK, OK, [seen(200, { v: 1, now: 1 }), seen(200, { v: 1, now: 2 }), seen(200, { v: 2, now: 3 })]),
      'not-idempotent',
      ['what GET /x reads: /v: 1 → 2'],
    ],
    [
      'a text that changes by itself',
      trial(OK, OK, [seen(200, 'a'), seen(200, 'b'), seen(200, 'c')]),
      'unsure',
      ['what GET /x reads changes by itself', 'what GET /x reads: body: "a" → "b"'],
    ],
    [
      'an error',
      trial(seen(500), seen(500), [ONE, ONE, ONE]),
      'unsure',
      ['the first answer is 500: nothing was tried'],
    ],
    ['no first answer', trial(LOST, OK, [ONE, ONE, ONE]), 'unsure', ['no first answer: reset']],
    ['no second answer', trial(OK, LOST, [ONE, ONE, ONE]), 'unsure', ['no second answer: reset']],
    [
      'a reading without an answer',
      trial(OK, OK, [ONE, LOST, ONE]),
      'unsure',
      ['GET /x had no answer: reset'],
    ],
    [
      'a state that cannot be read',
      trial(OK, OK, [seen(405), seen(405), seen(405)]),
      'unsure',
      ['GET /x cannot read its effect back: 405; give --check'],
    ],
    ['nothing that is read', trial(OK, OK, null), 'unsure', ['nothing reads its effect back: give --check']],
    ['a GET that reads the same', trial(ONE, ONE, null, 'GET'), 'idempotent', []],
    ['a GET that does not', trial(ONE, TWO, null, 'GET'), 'unsure', ['the second answer: /value: 1 → 2']],
    [
      'a GET that counts, seen by a check',
      trial(OK, OK, [ONE, ONE, TWO], 'GET'),
      'not-idempotent',
      ['what GET /x reads: /value: 1 → 2'],
    ],
  ])('on %s', (_, given, kind, why) => {
    expect(judgeTrial(given, NOTHING)).toEqual({ kind, why });
  });

  it('leaves out what is ignored: members by pointer, with * for any, and fields', () => {
    const before = seen(
      200,
      {
        items: [
          { at: 1, n: 1 },
          { at: 2, n: 1 },
        ],
      },
      ['ETag', '"1"'],
    );
    const after = seen(
      200,
      {
        items: [
          { at: 3, n: 1 },
          { at: 4, n: 1 },
        ],
      },
      ['ETag', '"2"'],
    );
    const ignore: Ignore = { fields: new Set(['etag']), pointers: [['items', '*', 'at']] };

    expect(judgeTrial(trial(OK, OK, [before, before, after]), ignore).kind).toBe('idempotent');
    expect(judgeTrial(trial(OK, OK, [before, before, after]), NOTHING).why).toEqual([
      'what GET /x reads: etag: "1" → "2"',
      'what GET /x reads: /items/0/at: 1 → 3',
      'what GET /x reads: /items/1/at: 2 → 4',
    ]);
  });
});

describe('a difference', () => {
  const answer = fc
    .record({ status: fc.constantFrom(200, 404), body: fc.oneof(fc.jsonValue(), fc.string()) })
    .map(({ status, body }) => seen(status, body));

  it('is none of an answer from itself, and one of any other, both ways', () => {
    fc.assert(
      fc.property(answer, answer, (one, other) => {
        const same = one.status === other.status && Buffer.compare(one.body, other.body) === 0;

        expect(differences(one, one, NOTHING)).toEqual([]);
        expect(differences(one, other, NOTHING).length).toBe(differences(other, one, NOTHING).length);
        if (same) expect(differences(one, other, NOTHING)).toEqual([]);
      }),
    );
  });

  it('does not count what changes by itself', () => {
    const before = seen(200, '', [
      'Date',
      'a',
      'X-Request-Id',
      '1',
      'X-RateLimit-Remaining',
      '9',
      'Location',
      '/1',
    ]);
    const after = seen(200, '', [
      'Date',
      'b',
      'x-request-id',
      '2',
      'x-ratelimit-remaining',
      '8',
      'Location',
      '/2',
    ]);

    expect(differences(before, after, NOTHING).map(({ what }) => what)).toEqual(['location']);
  });

  it('is told in bounds, of bodies however deep, long or strange', () => {
    const deep = (value: string): string => `${'['.repeat(5_000)}${value}${']'.repeat(5_000)}`;
    const wide = (value: number): unknown => Array.from({ length: 1_000 }, () => value);

    const told = [
      differences(seen(200, deep('1')), seen(200, deep('2')), NOTHING),
      differences(seen(200, wide(1)), seen(200, wide(2)), NOTHING),
      differences(seen(200, `\u001b[31m${'x'.repeat(10_000)}`), seen(200, ''), NOTHING),
    ];

    expect(told.map((found) => found.length)).toEqual([1, 10, 1]);
    expect(Math.max(...told.flat().map(({ from, to }) => from.length + to.length))).toBeLessThan(150);
    expect(told.flat().filter(({ from, to }) => `${from}${to}`.includes('\u001b'))).toEqual([]);
  });
});
