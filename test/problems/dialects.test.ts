import { describe, expect, it } from 'vitest';
import { ERROR_SHAPES, type ErrorShape, KEY_PROBLEMS } from '../../src/core/dialect.ts';
import { renderProblem } from '../../src/problems/problem.ts';
import { PROBLEM_CODES, type ProblemCode, problemType } from '../../src/problems/registry.ts';

/** Problems in the words of other APIs. */

type Rendered = {
  readonly status: number;
  readonly fields: ReadonlyMap<string, string>;
  readonly body: unknown;
};

function render(
  errors: ErrorShape,
  code: ProblemCode,
  statuses: Readonly<Record<string, number>> = {},
): Rendered {
  const { status, rawHeaders, body } = renderProblem({
    code,
    instance: '3f0d8c52-6b0e-4f55-9d4e-0a8f6e0b7a11',
    docsUrl: 'https://docs.example.com/problems',
    key: 'k1',
    detail: 'What to do.',
    dialect: { errors, statuses },
  });
  const fields = new Map<string, string>();
  for (let i = 0; i < rawHeaders.length; i += 2)
    fields.set((rawHeaders[i] ?? '').toLowerCase(), rawHeaders[i + 1] ?? '');
  expect(fields.get('content-length')).toBe(String(body.byteLength));
  return { status, fields, body: JSON.parse(body.toString('utf8')) };
}

const others = ERROR_SHAPES.filter((shape) => shape !== 'problem');

describe.each(others)('the words of %s', (shape) => {
  it.each(PROBLEM_CODES)('tell %s with its code, whether to retry, and where it is documented', (code) => {
    const { status, fields } = render(shape, code);
    const type = problemType(code);

    expect(status).toBe(type.status);
    expect(fields.get('onceward-problem')).toBe(code);
    expect(fields.get('x-should-retry')).toBe(String(type.retryable));
    expect(fields.get('stripe-should-retry')).toBe(String(type.retryable));
    expect(fields.has('retry-after')).toBe(type.retryAfterMs !== null);
    expect(fields.get('link')).toContain(`#${code}`);
    expect(fields.get('cache-control')).toBe('no-store');
  });
});

describe('the body that a client of an API reads', () => {
  const error = (type: string, code: string) => ({ error: { type, code, message: 'What to do.' } });

  it.each([
    ['stripe', 'key-reused', error('idempotency_error', 'key-reused')],
    ['stripe', 'in-flight', error('idempotency_error', 'idempotency_key_in_use')],
    ['stripe', 'outcome-unknown', error('idempotency_error', 'outcome-unknown')],
    ['stripe', 'key-invalid', error('invalid_request_error', 'key-invalid')],
    ['stripe', 'overloaded', error('api_error', 'rate_limit')],
    ['stripe', 'store-unavailable', error('api_error', 'store-unavailable')],
  ] as const)('%s: %s', (shape, code, body) => {
    expect(render(shape, code).body).toEqual(body);
  });
});

describe('the statuses of a dialect', () => {
  it('replace those of the table, in the status line and in the body, and leave the rest', () => {
    const replaced = render('problem', 'key-reused', { 'key-reused': 400 });

    expect(replaced.status).toBe(400);
    expect(replaced.body).toMatchObject({
      status: 400,
      code: 'key-reused',
      error: { type: 'idempotency_error' },
    });
    expect(replaced.fields.has('onceward-problem')).toBe(false);
    expect(render('problem', 'in-flight', { 'key-reused': 400 }).status).toBe(409);
  });

  it('can be given for problems that are in the table', () => {
    expect(KEY_PROBLEMS.filter((code) => !PROBLEM_CODES.some((known) => known === code))).toEqual([]);
  });
});
