import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  checkModel,
  disagreement,
  MODEL,
  missingTool,
  type Report,
  reportOf,
  tableCells,
} from './check-model.ts';
import { type ModelRun, PROMISES, RUNS } from './runs.ts';

const MODEL_MS_MAX = 420_000;
const MEMORY_MB_MAX = 1000;
const holding = RUNS.filter(({ expect: { kind } }) => kind === 'holds');
const breaking = RUNS.filter(({ expect: { kind } }) => kind === 'breaks');

describe('the model of one key', () => {
  const reports = new Map<ModelRun, Report>();

  beforeAll(async () => {
    for (const report of await checkModel(RUNS)) reports.set(report.run, report);
  }, MODEL_MS_MAX);

  const reportFor = (run: ModelRun): Report => {
    const report = reports.get(run);
    if (report === undefined) throw new Error(`${run.name} was not run`);
    return report;
  };

  it.each(holding)('keeps every promise over the whole space: $name', (run) => {
    const report = reportFor(run);

    expect(disagreement(report)).toBeNull();
    expect(report.verdict.kind).toBe('holds');
    expect(report.memoryMb).toBeLessThan(MEMORY_MB_MAX);
  });

  it.each(breaking)('is caught when it is broken: $name', (run) => {
    expect(disagreement(reportFor(run))).toBeNull();
  });

  it('gives the results that the page about it shows', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/model.md'), 'utf8');
    const absent = RUNS.map((run) => tableCells(reportFor(run)).join(' | ')).filter(
      (cells) => !page.includes(`| ${cells} |`),
    );

    expect(absent).toEqual([]);
  });
});

describe('the runs of the model', () => {
  const model = readFileSync(MODEL, 'utf8');

  it('assert the promises of the model, each by its own bit', () => {
    const asserted = [...model.matchAll(/\bpromise\((\d+), (\w+),/g)].map(
      ([, bit, flag]) => `${flag} ${bit}`,
    );

    expect([...new Set(asserted)].toSorted()).toEqual(
      Object.entries(PROMISES)
        .map(([flag, { bit }]) => `${flag} ${bit}`)
        .toSorted(),
    );
  });

  it('define nothing that the model does not ask for', () => {
    const strange = RUNS.flatMap(({ defines }) => defines).filter(
      (define) => !new RegExp(`#(?:ifn?def ${define}\\b|if .*\\(${define}\\))`).test(model),
    );

    expect(strange).toEqual([]);
  });

  it('break every promise at least once: none is empty', () => {
    const broken = new Set(
      breaking.map(({ expect: wanted }) => (wanted.kind === 'breaks' ? wanted.promise : '')),
    );

    expect([...broken].toSorted()).toEqual(Object.keys(PROMISES).toSorted());
  });
});

describe('the checker', () => {
  const run = RUNS[0];
  if (run === undefined) throw new Error('there is no run');
  const WHOLE = 'State-vector 1 byte, depth reached 7, errors: 0\n  12 states, stored\n';

  it('says which package brings a missing tool', () => {
    const missing = missingTool([{ binary: '/nowhere/spin', debianPackage: 'spin' }]);

    expect(missing).toContain('apt-get install spin');
  });

  it.each([
    { name: 'depth', text: `error: max search depth too small\n${WHOLE}` },
    { name: 'memory', text: `pan: out of memory\n${WHOLE}` },
    { name: 'nothing', text: '' },
  ])('takes a search that met a bound for no proof: $name', ({ text }) => {
    expect(reportOf(run, text).verdict.kind).toBe('unfinished');
  });

  it('takes an invalid end state for a fault', () => {
    const text = `pan:1: invalid end state (at depth 9)\nState-vector 1 byte, depth reached 9, errors: 1\n`;

    expect(reportOf(run, text).verdict).toEqual({ kind: 'broken', what: 'invalid end state' });
  });

  it('names the steps that no path took', () => {
    const text = `${WHOLE}unreached in proctype Request\n\tonceward.pml:12, state 3, "rec = absent"\n\tonceward.pml:99, state 5, "-end-"\n`;

    expect(disagreement(reportOf(run, text))).toContain('12: rec = absent');
  });
});
