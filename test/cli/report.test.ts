import { describe, expect, it } from 'vitest';
import { reportOf } from '../../src/admin/observe-report.ts';
import { reportText } from '../../src/cli/report/report-text.ts';

const SINCE_MS = Date.UTC(2026, 10, 26, 9);

function text(
  observed: Parameters<typeof reportOf>[0],
  routes: Parameters<typeof reportOf>[1],
  only: string | null = null,
): string | null {
  return reportText({ ...reportOf(observed, routes, SINCE_MS) }, only);
}

const PAY = {
  route: 'pay',
  counts: [
    { end: 'key-reused', requests: 1, examples: [{ recordKey: 'Jx3', atMs: SINCE_MS + 1_500, status: 201 }] },
    { end: 'executed', requests: 12, examples: [{ recordKey: 'Ab9', atMs: SINCE_MS + 1_000, status: 0 }] },
    { end: 'no-key', requests: 3, examples: [{ recordKey: null, atMs: SINCE_MS + 2_000, status: null }] },
  ],
} as const;

describe('the text of a report', () => {
  it('has a block for each route, in the order of what may happen', () => {
    expect(
      text(
        [PAY, { route: 'old', counts: [] }],
        [
          { name: 'pay', mode: 'observe' },
          { name: 'new', mode: 'observe' },
          { name: 'strict', mode: 'enforce' },
        ],
      ),
    ).toBe(`since 2026-11-26T09:00:00.000Z

pay: 16 requests: executed 12, refused 1, passed 3
  executed    12  the first with its key; its answer is kept
                2026-11-26T09:00:01.000Z  Ab9  no answer
  key-reused  1  422: the key of a request with other content
                2026-11-26T09:00:01.500Z  Jx3  201
  no-key      3  no key where one is optional: not protected
                2026-11-26T09:00:02.000Z  no key

old (gone): 0 requests

new: 0 requests
`);
  });

  it('of one route has no other, and says of a name that is none that it is none', () => {
    const routes = [{ name: 'new', mode: 'observe' }] as const;

    expect(text([PAY], routes, 'new')).toBe('since 2026-11-26T09:00:00.000Z\n\nnew: 0 requests\n');
    expect(text([PAY], routes, 'other')).toBeNull();
  });

  it('of no route says how one observes', () => {
    expect(text([], [{ name: 'strict', mode: 'enforce' }])).toContain('set mode: observe on a route');
  });
});
