import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PROBLEM_CODES, problemType } from '../../src/problems/registry.ts';
import { problemStep, type Step, scriptedServer } from './scripted-server.ts';

/** Whatever the server answers. */

const member = fc.oneof(
  fc.boolean(),
  fc.constantFrom('no', 'yes', 'unknown', 'true'),
  fc.integer(),
  fc.constant(null),
);

const plain: fc.Arbitrary<Step> = fc.record(
  {
    status: fc.integer({ min: 200, max: 599 }).filter((status) => ![204, 205, 304].includes(status)),
    headers: fc.dictionary(
      fc.constantFrom('retry-after', 'x-should-retry', 'stripe-should-retry', 'idempotency-status', 'date'),
      fc.constantFrom(
        '0',
        '1',
        '-1',
        'true',
        'false',
        'replayed',
        'executed',
        'Thu, 26 Nov 2026 12:00:07 GMT',
        '9'.repeat(12),
      ),
    ),
    body: fc.string({ maxLength: 20 }),
    end: fc.constant('broken' as const),
  },
  { requiredKeys: ['status'] },
);

const problem: fc.Arbitrary<Step> = fc
  .record({
    status: fc.integer({ min: 400, max: 599 }),
    code: fc.constantFrom(...PROBLEM_CODES, 'made-up'),
    members: fc.dictionary(
      fc.constantFrom('type', 'retryable', 'sameKey', 'executed', 'retryAfterMs', 'idempotency_key'),
      member,
    ),
  })
  .map(({ status, code, members }) => problemStep(status, code, members));

const own: fc.Arbitrary<Step> = fc.constantFrom(...PROBLEM_CODES).map((code) => {
  const { status, retryable, sameKey, executed, retryAfterMs } = problemType(code);
  return problemStep(status, code, { retryable, sameKey, executed, retryAfterMs, idempotency_key: 'k' });
});

const step = fc.oneof(fc.constantFrom<Step>('fail', 'hang'), plain, problem, own);
const steps = fc.array(step, { minLength: 1, maxLength: 12 });
const method = fc.constantFrom('POST', 'PATCH', 'PUT', 'DELETE', 'GET');
const server = fc.constantFrom('honours-key' as const, 'unknown' as const);
const freshKey = fc.constantFrom('never' as const, 'when-not-executed' as const);
const attemptsMax = fc.integer({ min: 1, max: 8 });

it('an operation ends, within its attempts and its time, under one key or without', async () => {
  await fc.assert(
    fc.asyncProperty(steps, method, server, attemptsMax, async (script, verb, honours, most) => {
      const { client, sent, nowMs } = scriptedServer(script, { server: honours, attemptsMax: most });

      const result = await client.send('https://example.test/', { method: verb });

      expect(result.attempts).toBe(sent.length);
      expect(sent.length).toBeLessThanOrEqual(most);
      expect(nowMs()).toBeLessThanOrEqual(1_000 + 60_000);
      expect([...new Set(sent.map(({ key }) => key))]).toEqual([result.key]);
      expect(result.key === null).toBe(['PUT', 'DELETE', 'GET'].includes(verb));
    }),
    { numRuns: 300 },
  );
});

it('a key is changed at most once, never after an attempt that may have been executed', async () => {
  await fc.assert(
    fc.asyncProperty(steps, server, freshKey, async (script, honours, fresh) => {
      const { client, sent } = scriptedServer(script, { server: honours, freshKey: fresh });

      await client.send('https://example.test/', { method: 'POST' });

      const changedAt = sent.findIndex(({ key }) => key !== sent[0]?.key);
      expect(new Set(sent.map(({ key }) => key)).size).toBeLessThanOrEqual(fresh === 'never' ? 1 : 2);
      // Under the first key, every answer said that nothing was executed.
      for (const { 0: at } of sent.slice(0, Math.max(0, changedAt)).entries()) {
        const answered = script[Math.min(at, script.length - 1)];
        expect(typeof answered === 'object' ? answered.body : answered).toContain('"executed":"no"');
      }
    }),
    { numRuns: 300 },
  );
});

it('a POST to a server of which nothing is known is not sent again after silence or a plain answer', async () => {
  const silent = fc.oneof(fc.constantFrom<Step>('fail', 'hang'), plain);
  await fc.assert(
    fc.asyncProperty(fc.array(silent, { minLength: 1 }), async (script) => {
      const { client, sent } = scriptedServer(script);

      const result = await client.send('https://example.test/', { method: 'POST' });

      expect(sent).toHaveLength(1);
      expect(['answered', 'unknown']).toContain(result.kind);
    }),
    { numRuns: 200 },
  );
});

it('an operation is told as not executed only where no attempt was lost, or the server speaks of its key', async () => {
  await fc.assert(
    fc.asyncProperty(steps, server, async (script, honours) => {
      const { client } = scriptedServer(script, { server: honours });

      const result = await client.send('https://example.test/', { method: 'POST' });

      if (result.kind !== 'not-executed') return;
      expect(result.problem?.executed).toBe('no');
      const lost = script.slice(0, result.attempts - 1).some((before) => typeof before === 'string');
      if (lost) expect(result.problem?.sameKey).toBe(true);
    }),
    { numRuns: 300 },
  );
});
