import { describe, expect, it } from 'vitest';
import { statusAction } from '../../src/core/settle.ts';
import { DEFAULT_STATUS_RULES, resolveStatusTable } from '../../src/core/status-table.ts';

describe('the status table', () => {
  it.each([
    [200, 'complete'],
    [201, 'complete'],
    [304, 'complete'],
    [400, 'complete'],
    [401, 'release'],
    [408, 'park'],
    [409, 'complete'],
    [425, 'release'],
    [429, 'release'],
    [500, 'complete'],
    [501, 'complete'],
    [502, 'park'],
    [503, 'release'],
    [504, 'park'],
    [505, 'complete'],
    [599, 'complete'],
    [999, 'complete'],
    [100, 'park'],
  ] as const)('by default lets %i %s', (status, action) => {
    expect(statusAction(resolveStatusTable({}), status)).toBe(action);
  });

  it('lets a class of the operator win over a built-in status', () => {
    expect(statusAction(resolveStatusTable({ '5xx': 'park' }), 503)).toBe('park');
  });

  it('lets a single status win over its class, in whatever order they stand', () => {
    const table = resolveStatusTable({ '409': 'release', '4xx': 'park' });

    expect([statusAction(table, 409), statusAction(table, 410), statusAction(table, 500)]).toEqual([
      'release',
      'park',
      'complete',
    ]);
  });

  it('says of every built-in rule what it is for, and why', () => {
    for (const { match, why } of DEFAULT_STATUS_RULES) {
      expect(match).toMatch(/^[1-5](?:xx|\d\d)$/);
      expect(why, match).toMatch(/^\S.{7,}$/);
    }
  });

  it('covers every class', () => {
    expect(DEFAULT_STATUS_RULES.slice(0, 5).map(({ match }) => match)).toEqual([
      '1xx',
      '2xx',
      '3xx',
      '4xx',
      '5xx',
    ]);
  });

  it('lets what is outside the table complete', () => {
    expect(statusAction(resolveStatusTable({}), 1000)).toBe('complete');
  });

  it('changes nothing beside the class that is named', () => {
    const table = resolveStatusTable({ '3xx': 'park' });

    expect([299, 300, 399, 400].map((status) => statusAction(table, status))).toEqual([
      'complete',
      'park',
      'park',
      'complete',
    ]);
  });
});
