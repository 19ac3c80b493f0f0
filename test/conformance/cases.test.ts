import { expect, it } from 'vitest';
import { CASES } from './cases.ts';
import { isEmpty } from './check.ts';
import { PROBLEM_FACTS } from './problem-table.ts';

const SOURCE =
  /RFC \d+ section \d|draft-ietf-httpapi-idempotency-key-header-07 section \d|edge cases? \d|fault \d|design section \d|config field [a-z]|Fetch standard, /;

it('there are enough cases', () => {
  expect(CASES.length).toBeGreaterThanOrEqual(120);
});

it('every case has an id of its own, fit for a path', () => {
  const ids = CASES.map(({ id }) => id);

  expect(ids.filter((id) => !/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(id))).toEqual([]);
  expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([]);
});

it('every case names the clause it comes from', () => {
  expect(CASES.filter(({ source }) => !SOURCE.test(source)).map(({ id }) => id)).toEqual([]);
});

it('every case expects something', () => {
  const silent = CASES.filter(
    ({ steps }) => !steps.some((step) => 'expect' in step && !isEmpty(step.expect)),
  );

  expect(silent.map(({ id }) => id)).toEqual([]);
});

it('every case is titled with a sentence', () => {
  expect(
    CASES.filter(({ title }) => title.split(' ').length < 3 || /[.!]$/.test(title)).map(({ id }) => id),
  ).toEqual([]);
});

it('every case is on the route it names', () => {
  const steps = CASES.flatMap(({ id, steps }) => steps.map((step) => ({ id, step })));
  const stray = steps.filter(
    ({ id, step }) =>
      'request' in step &&
      (step.request.target ?? '').startsWith('/conf/') &&
      !step.request.target?.startsWith(`/conf/${id}/`),
  );

  expect(stray.map(({ id }) => id)).toEqual([]);
});

it('every problem that a client can be brought to see has a case', () => {
  const seen = new Set(
    CASES.flatMap(({ steps }) => steps.map((step) => ('expect' in step ? step.expect.problem : undefined))),
  );
  // These take a store, a load, a drain, a port, a configuration that fails or a route of their own: test/http,
  // test/e2e and test/faults have them.
  const elsewhere = [
    'credential-invalid',
    'verification-unavailable',
    'ticket-unknown',
    'signature-invalid',
    'locked',
    'resource-unnamed',
    'released',
    'policy-changed',
    'replay-denied',
    'credential-rotated',
    'precondition-required',
    'precondition-failed',
    'version-busy',
    'version-unknown',
    'precondition-invalid',
    'sequence-missing',
    'sequence-invalid',
    'producer-unknown',
    'producer-fenced',
    'sequence-gap',
    'sequence-waiting',
    'sequence-blocked',
    'sequence-too-old',
    'store-unavailable',
    'overloaded',
    'draining',
    'upstream-unreachable',
  ];

  expect(Object.keys(PROBLEM_FACTS).filter((code) => !seen.has(code))).toEqual(elsewhere);
});
