import { describe, expect, it } from 'vitest';
import {
  type Heard,
  judge,
  type OncewardProblem,
  readProblem,
  readRetryAfter,
  type Standing,
} from '../../client/onceward-client.ts';
import { renderProblem } from '../../src/problems/problem.ts';
import { PROBLEM_CODES, problemType } from '../../src/problems/registry.ts';

const FRESH: Standing = { protection: 'unknown', earlier: 'nothing', freshKey: 'never' };
const HONOURED: Standing = { ...FRESH, protection: 'honoured' };
const IDEMPOTENT: Standing = { ...FRESH, protection: 'idempotent' };

function answer(status: number, more: Partial<Extract<Heard, { kind: 'answer' }>> = {}): Heard {
  return {
    kind: 'answer',
    status,
    problem: null,
    shouldRetry: 'unsaid',
    idempotencyStatus: null,
    retryAfterMs: null,
    ...more,
  };
}

function foreign(members: Partial<OncewardProblem>): OncewardProblem {
  return {
    ...{ type: 'about:blank', code: null, detail: null, retryable: null, sameKey: null },
    ...{ executed: null, retryAfterMs: null, key: null },
    ...members,
  };
}

/** As Onceward answers, read as the client reads it. */
function own(
  code: (typeof PROBLEM_CODES)[number],
  keyed: 'keyed' | 'unkeyed' = 'keyed',
  key: 'read' | 'not-read' = keyed === 'keyed' ? 'read' : 'not-read',
): Heard {
  const echo = key === 'read' ? { key: 'k' } : {};
  const { status, body, rawHeaders } = renderProblem({ code, instance: 'i', docsUrl: null, keyed, ...echo });
  const at = rawHeaders.indexOf('x-should-retry');
  return answer(status, {
    problem: readProblem('application/problem+json', body.toString()),
    shouldRetry: rawHeaders[at + 1] === 'true' ? 'yes' : 'no',
  });
}

describe('what the client does with a problem of Onceward', () => {
  it.each(PROBLEM_CODES)('%s: a keyed POST is sent again as the table of problems says', (code) => {
    const { retryable, executed } = problemType(code);

    const { retry, end } = judge(own(code), FRESH);

    expect(retry).toBe(retryable ? 'same-key' : 'no');
    expect(end).toBe(
      { no: 'not-executed', yes: 'executed', unknown: 'unknown', null: 'answered' }[String(executed)],
    );
  });

  it.each(PROBLEM_CODES)('%s: a fresh key only where nothing was executed and the key is refused', (code) => {
    const { sameKey, executed } = problemType(code);

    const { retry, next } = judge(own(code), { ...FRESH, freshKey: 'when-not-executed' });

    const isFresh = sameKey === false && executed === 'no';
    expect(retry === 'fresh-key').toBe(isFresh);
    expect(next.freshKey).toBe(isFresh ? 'never' : 'when-not-executed');
  });

  it.each(PROBLEM_CODES)('%s: no fresh key once an attempt may have been executed', (code) => {
    const standing: Standing = { ...HONOURED, earlier: 'maybe', freshKey: 'when-not-executed' };

    expect(judge(own(code), standing).retry).not.toBe('fresh-key');
  });

  it.each(['upstream-failed', 'upstream-timeout', 'upstream-unreachable', 'overloaded', 'draining'] as const)(
    '%s: a request without a key is sent again where its method allows it',
    (code) => {
      expect(judge(own(code, 'unkeyed'), IDEMPOTENT).retry).toBe('same-key');
    },
  );

  it.each(['upstream-failed', 'upstream-timeout'] as const)(
    '%s: a POST that Onceward took for one without a key is not',
    (code) => {
      expect(judge(own(code, 'unkeyed'), HONOURED)).toMatchObject({ retry: 'no', end: 'unknown' });
    },
  );

  it.each(['not-found', 'bad-request', 'request-too-large'] as const)(
    '%s: is the answer to a GET',
    (code) => {
      expect(judge(own(code, 'unkeyed'), IDEMPOTENT)).toMatchObject({ retry: 'no', end: 'answered' });
    },
  );

  it('that speaks of the key makes a later connection failure safe to retry', () => {
    const { next } = judge(own('in-flight'), FRESH);

    expect(next.protection).toBe('honoured');
    expect(judge({ kind: 'failed' }, next).retry).toBe('same-key');
  });

  it.each(['overloaded', 'draining', 'upstream-unreachable'] as const)(
    '%s: proves nothing of the key where it was not read',
    (code) => {
      const { retry, next } = judge(own(code, 'keyed', 'not-read'), FRESH);
      const lost = judge({ kind: 'failed' }, { ...FRESH, earlier: 'maybe' }).next;

      expect([retry, next.protection]).toEqual(['same-key', 'unknown']);
      expect(judge({ kind: 'failed' }, next).retry).toBe('no');
      expect(judge(own(code, 'keyed', 'not-read'), lost).end).toBe('unknown');
    },
  );

  it('after a lost answer proves nothing where it does not speak of the key', () => {
    const { next } = judge({ kind: 'failed' }, HONOURED);

    const ends = (
      ['scope-missing', 'key-missing', 'not-found', 'released', 'upstream-unreachable'] as const
    ).map((code) => judge(own(code), next).end);

    expect(ends).toEqual(['unknown', 'unknown', 'unknown', 'not-executed', 'not-executed']);
  });
});

describe('what the client does with other answers', () => {
  const NO = 'no';
  const AGAIN = 'same-key';
  it.each<[string, Heard, unknown, unknown, unknown]>([
    // [what, heard, POST to an unknown server, POST to one that honours keys, PUT]
    ['no answer', { kind: 'failed' }, NO, AGAIN, AGAIN],
    ['200', answer(200), NO, NO, NO],
    ['303', answer(303), NO, NO, NO],
    ['200 with x-should-retry', answer(200, { shouldRetry: 'yes' }), NO, NO, NO],
    ['400', answer(400), NO, NO, NO],
    ['401', answer(401), NO, NO, NO],
    ['408', answer(408), NO, AGAIN, AGAIN],
    ['409', answer(409), NO, NO, NO],
    ['409 with x-should-retry: true', answer(409, { shouldRetry: 'yes' }), NO, AGAIN, AGAIN],
    ['425', answer(425), NO, AGAIN, AGAIN],
    ['429', answer(429), NO, AGAIN, AGAIN],
    ['429 with x-should-retry: false', answer(429, { shouldRetry: 'no' }), NO, NO, NO],
    ['500', answer(500), NO, NO, NO],
    ['500 with x-should-retry: true', answer(500, { shouldRetry: 'yes' }), NO, AGAIN, AGAIN],
    ['501', answer(501), NO, NO, NO],
    ['502', answer(502), NO, AGAIN, AGAIN],
    ['503', answer(503), NO, AGAIN, AGAIN],
    ['504', answer(504), NO, AGAIN, AGAIN],
    ['503, replayed', answer(503, { idempotencyStatus: 'replayed' }), NO, NO, NO],
    ['503, unstored', answer(503, { idempotencyStatus: 'unstored' }), NO, AGAIN, AGAIN],
    ['504, unstored', answer(504, { idempotencyStatus: 'unstored' }), NO, AGAIN, AGAIN],
    ['503, unprotected', answer(503, { idempotencyStatus: 'unprotected' }), NO, NO, NO],
    ['503, executed', answer(503, { idempotencyStatus: 'executed' }), NO, AGAIN, AGAIN],
    ['a plain problem', answer(503, { problem: foreign({}) }), NO, AGAIN, AGAIN],
    [
      'a foreign problem: retryable',
      answer(503, { problem: foreign({ retryable: true }) }),
      NO,
      AGAIN,
      AGAIN,
    ],
    [
      'a foreign problem: retryable, not executed',
      answer(503, { problem: foreign({ retryable: true, executed: 'no' }) }),
      AGAIN,
      AGAIN,
      AGAIN,
    ],
    [
      'a foreign problem: retryable with the same key',
      answer(409, { problem: foreign({ retryable: true, sameKey: true }) }),
      AGAIN,
      AGAIN,
      AGAIN,
    ],
    ['a foreign problem: not retryable', answer(503, { problem: foreign({ retryable: false }) }), NO, NO, NO],
  ])('%s', (_, heard, unknown, honoured, idempotent) => {
    expect([FRESH, HONOURED, IDEMPOTENT].map((standing) => judge(heard, standing).retry)).toEqual([
      unknown,
      honoured,
      idempotent,
    ]);
  });

  it.each([401, 403, 407, 408, 413, 421, 425, 429, 431, 500, 502, 503])(
    '%d after a lost answer leaves unknown what became of it',
    (status) => {
      const { next } = judge({ kind: 'failed' }, HONOURED);

      expect(judge(answer(status), HONOURED).end).toBe('answered');
      expect(judge(answer(status), next).end).toBe('unknown');
      expect(judge(answer(status, { idempotencyStatus: 'replayed' }), next).end).toBe('answered');
    },
  );

  it.each([200, 201, 303, 400, 402, 404, 409, 422])('%d after a lost answer is the answer', (status) => {
    const { next } = judge({ kind: 'failed' }, HONOURED);

    expect(judge(answer(status), next).end).toBe('answered');
  });

  it('waits as long as the problem says, else as long as Retry-After says', () => {
    const problem = foreign({ retryable: true, sameKey: true });

    expect(judge(answer(503, { retryAfterMs: 2_000 }), HONOURED).afterMs).toBe(2_000);
    expect(judge(answer(503, { retryAfterMs: 2_000, problem }), HONOURED).afterMs).toBe(2_000);
    expect(
      judge(answer(503, { retryAfterMs: 2_000, problem: { ...problem, retryAfterMs: 1_500 } }), HONOURED)
        .afterMs,
    ).toBe(1_500);
    expect(judge(answer(503), HONOURED).afterMs).toBe(0);
  });
});

describe('Retry-After', () => {
  const wallMs = (): number => Date.UTC(2026, 10, 26, 12, 0, 0);
  it.each<[string, string | null, string | null, number | null]>([
    ['is absent', null, null, null],
    ['in seconds', '3', null, 3_000],
    ['in seconds, with space', ' 120 ', null, 120_000],
    ['of no time', '0', null, 0],
    ['as a date, by our clock', 'Thu, 26 Nov 2026 12:00:07 GMT', null, 7_000],
    [
      'as a date, by the clock of the server',
      'Thu, 26 Nov 2026 15:00:07 GMT',
      'Thu, 26 Nov 2026 15:00:00 GMT',
      7_000,
    ],
    ['as a date that is over', 'Thu, 26 Nov 2026 11:00:00 GMT', null, 0],
    ['in the form of RFC 850', 'Thursday, 26-Nov-26 12:00:07 GMT', null, 7_000],
    ['in the form of asctime', 'Thu Nov 26 12:00:07 2026', null, 7_000],
    ['is negative', '-1', null, null],
    ['is a fraction', '1.5', null, null],
    ['is no date', 'Thu, 99 Nov 2026 12:00:07 GMT', null, null],
    ['is a word', 'soon', null, null],
    ['is a date of ISO 8601', '2026-11-26T12:00:07Z', null, null],
    ['is out of all bounds', '9'.repeat(30), null, null],
    ['is empty', '', null, null],
  ])('%s', (_, value, sentAt, expected) => {
    expect(readRetryAfter(value, sentAt, wallMs)).toBe(expected);
  });
});

describe('a problem document', () => {
  it.each([
    ['of another type', 'application/json', '{"retryable":true}'],
    ['without a type', null, '{"retryable":true}'],
    ['that is no JSON', 'application/problem+json', '<html>'],
    ['that is a list', 'application/problem+json', '[true]'],
    ['that is null', 'application/problem+json', 'null'],
  ])('%s is none', (_, type, body) => {
    expect(readProblem(type, body)).toBeNull();
  });

  it('is read for its members of the right kind, whatever the others are', () => {
    const body =
      '{"type":7,"code":"c","retryable":"true","sameKey":1,"executed":"perhaps","retryAfterMs":-5}';

    expect(readProblem('Application/Problem+JSON; charset=utf-8', body)).toEqual(foreign({ code: 'c' }));
  });
});
