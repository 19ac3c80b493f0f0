import { describe, expect, it } from 'vitest';
import { renderReliability } from '../../scripts/generate-reliability-docs.ts';
import type { ReliabilityReport } from '../../scripts/reliability-reports.ts';

const report: ReliabilityReport = {
  name: 'flood',
  promise: 'Water rises and nothing is lost.',
  form: 'full',
  seed: 7,
  startedAt: '2026-11-25T22:00:00.000Z',
  seconds: 1234.5,
  figures: [
    { what: 'keys executed twice', value: 0, bound: '0', met: 'yes' },
    { what: 'boats | rafts', value: 12_345, bound: null, met: 'unbounded' },
  ],
  versions: ['redis-server 7.0.15'],
  commit: 'abc1234',
  machine: '2 cores',
  node: 'v26.10.0',
};

describe('the reliability page', () => {
  it('tells each figure with its bound, and the circumstances', () => {
    const page = renderReliability([report], ['flood']);

    expect(page).toContain('| keys executed twice | 0 | 0 | yes |');
    expect(page).toContain('| boats \\| rafts | 12,345 |  |  |');
    expect(page).toContain(
      'full form · 2026-11-25 22:00 · 1,234.5 s · seed 7 · commit abc1234 · Node v26.10.0 · redis-server 7.0.15 · 2 cores',
    );
    expect(page).toContain('None of the 1 figures with a bound is missed.');
    expect(page).toContain('every script has run in its full form');
  });

  it('puts missed figures before everything else', () => {
    const doubled = { what: 'keys executed twice', value: 1, bound: '0', met: 'no' as const };

    const page = renderReliability([report, { ...report, name: 'fire', figures: [doubled] }], []);

    expect(page).toContain('| [fire](#fire) | keys executed twice | 1 | 0 | full |');
    expect(page.indexOf('[fire](#fire)')).toBeLessThan(page.indexOf('## flood'));
    expect(page).toContain('| keys executed twice | 1 | 0 | **no** |');
  });

  it('says what has not been run in its full form', () => {
    const page = renderReliability([{ ...report, form: 'quick' }], ['flood', 'quake']);

    expect(page).toContain('- [flood](#flood): only in its quick form\n- quake: not at all');
  });
});
