import { describe, expect, it } from 'vitest';
import { type ExchangeEnd, type Settlement, settle } from '../../src/core/settle.ts';
import { resolveStatusTable } from '../../src/core/status-table.ts';

const policy = { status: resolveStatusTable({}), unprovenEnd: 'park' as const };
const complete = (status: number, end: 'proven' | 'unproven' = 'proven'): ExchangeEnd => ({
  kind: 'complete',
  status,
  end,
});
const KEEP: Settlement = { kind: 'complete', keep: 'full' };
const RELEASE: Settlement = { kind: 'release' };

describe('how a claim ends', () => {
  it.each([
    'dns',
    'refused',
    'tls',
    'connect-timeout',
    'queue-timeout',
    'lease-too-short',
    'stopped',
    'connect',
  ] as const)('nothing was sent (%s): the key is free again', (cause) => {
    expect(settle({ kind: 'never-dispatched', cause, message: '' }, 'captured', policy)).toEqual(RELEASE);
  });

  it.each(['reset', 'bad-framing', 'truncated', 'aborted'] as const)(
    'after the first byte a %s parks',
    (cause) => {
      expect(settle({ kind: 'failed', cause, message: '' }, 'captured', policy)).toEqual({
        kind: 'park',
        reason: cause,
      });
    },
  );

  it('no answer within the late window parks', () => {
    expect(settle({ kind: 'timed-out' }, 'captured', policy)).toEqual({ kind: 'park', reason: 'timed-out' });
  });

  it.each<[number, Settlement]>([
    [200, KEEP],
    [201, KEEP],
    [204, KEEP],
    [302, KEEP],
    [400, KEEP],
    [401, RELEASE],
    [404, KEEP],
    [408, { kind: 'park', reason: 'status' }],
    [409, KEEP],
    [422, KEEP],
    [425, RELEASE],
    [429, RELEASE],
    [500, KEEP],
    [501, KEEP],
    [502, { kind: 'park', reason: 'status' }],
    [503, RELEASE],
    [504, { kind: 'park', reason: 'status' }],
    [505, KEEP],
    [599, KEEP],
  ])('by default a whole %i settles as the design says', (status, settlement) => {
    expect(settle(complete(status), 'captured', policy)).toEqual(settlement);
  });

  it('a status of the route goes before a class of the route, in any order', () => {
    const status = resolveStatusTable({ 503: 'complete', '5xx': 'park' });

    expect(settle(complete(503), 'captured', { ...policy, status })).toEqual(KEEP);
    expect(settle(complete(500), 'captured', { ...policy, status })).toEqual({
      kind: 'park',
      reason: 'status',
    });
  });

  it('a body over the limit completes without it', () => {
    expect(settle(complete(200), 'over-limit', policy)).toEqual({ kind: 'complete', keep: 'unstored' });
  });

  it('an end that is not proven parks, whatever the status', () => {
    expect(settle(complete(429, 'unproven'), 'captured', policy)).toEqual({
      kind: 'park',
      reason: 'unproven-end',
    });
  });

  it('an end that is not proven counts where the route trusts it', () => {
    expect(settle(complete(200, 'unproven'), 'captured', { ...policy, unprovenEnd: 'trust' })).toEqual(KEEP);
  });
});
