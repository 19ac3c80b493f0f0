import { describe, expect, it } from 'vitest';
import { type ProblemInput, renderProblem } from '../../src/problems/problem.ts';
import { PROBLEM_CODES, problemType } from '../../src/problems/registry.ts';
import { describeWithVectors, stringVectors } from '../support/vectors.ts';

const INSTANCE = '3f0d8c52-6b0e-4f55-9d4e-0a8f6e0b7a11';

function render(overrides: Partial<ProblemInput> = {}) {
  const { status, rawHeaders, body } = renderProblem({
    code: 'in-flight',
    instance: INSTANCE,
    docsUrl: null,
    ...overrides,
  });
  const fields = new Map<string, string>();
  for (let i = 0; i < rawHeaders.length; i += 2)
    fields.set((rawHeaders[i] ?? '').toLowerCase(), rawHeaders[i + 1] ?? '');
  const members: Readonly<Record<string, unknown>> = JSON.parse(body.toString('utf8'));
  return { status, rawHeaders, fields, members, body };
}

/** Design section 5, and what it leaves to the registry: code, status, retryable, sameKey, executed. */
const TABLE = [
  ['key-missing', 400, false, false, 'no'],
  ['key-invalid', 400, false, false, 'no'],
  ['scope-missing', 400, false, false, 'no'],
  ['credential-invalid', 401, false, true, 'unknown'],
  ['replay-denied', 403, false, true, 'unknown'],
  ['verification-unavailable', 503, true, true, 'unknown'],
  ['signature-invalid', 400, false, undefined, 'no'],
  ['ticket-unknown', 412, false, false, 'unknown'],
  ['key-reused', 422, false, false, 'no'],
  ['in-flight', 409, true, true, 'unknown'],
  ['locked', 423, true, true, 'no'],
  ['resource-unnamed', 400, false, undefined, 'no'],
  ['released', 409, true, true, 'no'],
  ['outcome-unknown', 409, false, true, 'unknown'],
  ['response-not-stored', 409, false, true, 'yes'],
  ['response-unreadable', 409, false, true, 'yes'],
  ['policy-changed', 409, false, true, 'unknown'],
  ['credential-rotated', 409, false, true, 'unknown'],
  ['repeatability-invalid', 400, false, false, 'no'],
  ['repeatability-window', 412, false, true, 'unknown'],
  ['repeatability-unsupported', 501, false, undefined, 'no'],
  ['precondition-required', 428, false, true, 'no'],
  ['precondition-failed', 412, false, false, 'no'],
  ['version-busy', 409, true, true, 'no'],
  ['version-unknown', 409, true, true, 'no'],
  ['precondition-invalid', 400, false, true, 'no'],
  ['sequence-missing', 400, false, undefined, 'no'],
  ['sequence-invalid', 400, false, undefined, 'no'],
  ['producer-unknown', 412, false, undefined, 'unknown'],
  ['producer-fenced', 409, false, undefined, 'unknown'],
  ['sequence-gap', 409, false, true, 'no'],
  ['sequence-waiting', 409, true, true, 'no'],
  ['sequence-blocked', 409, false, true, 'no'],
  ['sequence-too-old', 409, false, true, 'yes'],
  ['store-unavailable', 503, true, true, 'unknown'],
  ['overloaded', 429, true, true, 'unknown'],
  ['draining', 503, true, true, 'unknown'],
  ['upstream-unreachable', 502, true, true, 'no'],
  ['upstream-failed', 502, true, true, 'unknown'],
  ['upstream-timeout', 504, true, true, 'unknown'],
  ['request-too-large', 413, false, undefined, 'no'],
  ['request-timeout', 408, true, true, 'unknown'],
  ['bad-request', 400, false, undefined, 'no'],
  ['head-too-large', 431, false, undefined, 'no'],
  ['expectation-failed', 417, false, undefined, 'no'],
  ['method-not-supported', 501, false, undefined, 'no'],
  ['task-unknown', 404, false, undefined, undefined],
  ['task-expired', 410, false, undefined, 'unknown'],
  ['method-not-allowed', 405, false, undefined, 'no'],
  ['not-found', 404, false, undefined, 'no'],
] as const;

describe('the table of problems', () => {
  it('has these codes and no others', () => {
    expect(PROBLEM_CODES).toEqual(TABLE.map(([code]) => code));
  });

  it.each(TABLE)(
    '%s is %i, retryable %s, sameKey %s, executed %s',
    (code, status, retryable, sameKey, executed) => {
      const { members } = render({ code });

      expect(members).toMatchObject({ status, retryable });
      expect(members.executed).toBe(executed);
      expect(members.sameKey).toBe(sameKey);
    },
  );

  it.each([
    ['key-missing', 'Idempotency-Key is missing'],
    ['key-reused', 'Idempotency-Key is already used'],
    ['in-flight', 'A request is outstanding for this Idempotency-Key'],
  ] as const)('%s has the title of the draft', (code, title) => {
    expect(render({ code }).members.title).toBe(title);
  });

  it.each(PROBLEM_CODES)('%s says what to do, and names its source', (code) => {
    const { detail, clause, title } = problemType(code);

    expect(detail).toMatch(/^[A-Z].*\.$/);
    expect(detail).not.toBe(title);
    expect(clause).toMatch(/^(?:RFC \d+|draft-[a-z0-9-]+|OASIS [A-Za-z ]+ \d\.\d) section [\d.]+$/);
  });

  it.each(PROBLEM_CODES)('%s has a delay where it may be retried, and only there', (code) => {
    const { retryable, retryAfterMs } = problemType(code);

    expect(retryAfterMs !== null).toBe(retryable);
  });
});

describe.each(PROBLEM_CODES)('the answer %s', (code) => {
  const { status, fields, members, body } = render({
    code,
    docsUrl: 'https://docs.example.com/problems',
    key: 'k',
  });

  it('is a problem of RFC 9457 whose status is the HTTP status', () => {
    expect(fields.get('content-type')).toBe('application/problem+json');
    expect(members).toMatchObject({
      type: `urn:onceward:problem:${code}`,
      status,
      code,
      instance: `urn:uuid:${INSTANCE}`,
      title: expect.stringMatching(/./),
      detail: expect.stringMatching(/./),
    });
  });

  it('is framed, in English and never cached', () => {
    expect(fields.get('content-length')).toBe(String(body.byteLength));
    expect(fields.get('content-language')).toBe('en');
    expect(fields.get('cache-control')).toBe('no-store');
  });

  it('steers SDKs as retryable says', () => {
    expect(fields.get('x-should-retry')).toBe(String(members.retryable));
    expect(fields.get('stripe-should-retry')).toBe(String(members.retryable));
    expect(fields.has('retry-after')).toBe(members.retryable);
    expect('retryAfterMs' in members).toBe(members.retryable);
  });

  it('leads to its documentation', () => {
    expect(fields.get('link')).toBe(
      `<https://docs.example.com/problems#${code}>; rel="describedby"; type="text/html"`,
    );
  });

  it('carries no Idempotency-Status', () => {
    expect([...fields.keys()].filter((name) => name.startsWith('idempot'))).toEqual([]);
  });
});

describe('a problem', () => {
  it('takes the detail of the case in place of the general one', () => {
    expect(render({ detail: 'Just so.' }).members.detail).toBe('Just so.');
  });

  it.each([
    [0, '1', 0],
    [1, '1', 1],
    [1_000, '1', 1_000],
    [1_001, '2', 1_001],
    [90_000, '90', 90_000],
  ])('with a delay of %i ms has Retry-After %s', (retryAfterMs, seconds, member) => {
    const { fields, members } = render({ retryAfterMs });

    expect(fields.get('retry-after')).toBe(seconds);
    expect(members.retryAfterMs).toBe(member);
  });

  it('that may not be retried has no delay, whatever the backend said', () => {
    const { fields, members } = render({ code: 'outcome-unknown', retryAfterMs: 5_000 });

    expect(fields.has('retry-after')).toBe(false);
    expect(members).not.toHaveProperty('retryAfterMs');
  });

  it('without documentation has no Link', () => {
    expect(render({ docsUrl: null }).fields.has('link')).toBe(false);
  });

  it('without a key echoes none', () => {
    expect(render().members).not.toHaveProperty('idempotency_key');
  });

  it.each([
    ['upstream-failed', false],
    ['upstream-timeout', false],
    ['upstream-unreachable', true],
    ['overloaded', true],
    ['draining', true],
    ['request-timeout', true],
  ] as const)('%s for a request without a key may be retried: %s', (code, retryable) => {
    const { members, fields } = render({ code, keyed: 'unkeyed' });

    expect(members.retryable).toBe(retryable);
    expect(fields.get('x-should-retry')).toBe(String(retryable));
    expect(members).not.toHaveProperty('sameKey');
  });

  it.each(['a"b\\c', '\u2028\u2029', '</script>', '\r\nSet-Cookie: a=b', '\u0000', '\ud800', '\u{1f600}'])(
    'echoes the key %j in JSON, and in no field',
    (key) => {
      const { members, rawHeaders } = render({ key, detail: key });

      expect(members).toMatchObject({ idempotency_key: key, detail: key });
      expect(rawHeaders.filter((text) => !/^[\x20-\x7e]+$/.test(text) || text.includes(key))).toEqual([]);
    },
  );
});

describeWithVectors('naughty strings in problems', ['blns.json'], (read) => {
  it('come back from the JSON as they went in, with the length that the head says', () => {
    const wrong = stringVectors(read('blns.json')).filter((key) => {
      const { members, fields, body } = render({ code: 'key-reused', key, detail: key });
      return (
        members.idempotency_key !== key ||
        members.detail !== key ||
        fields.get('content-length') !== String(body.byteLength)
      );
    });

    expect(wrong).toEqual([]);
  });
});
