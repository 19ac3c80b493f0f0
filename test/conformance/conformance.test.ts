import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CASES } from './cases.ts';
import { playCase } from './play-case.ts';
import { type OpenStage, openStage } from './stage.ts';

describe('conformance on the memory store', () => {
  let stage: OpenStage;
  beforeAll(async () => {
    stage = await openStage('memory:');
  });
  afterAll(async () => {
    await stage.close();
  });

  it.for(CASES.map((conformance) => [conformance.id, conformance.title, conformance] as const))(
    '%s: %s',
    async ([, , conformance]) => {
      expect(await playCase(stage, conformance)).toEqual([]);
    },
  );

  it('sends nothing upstream that a strict reader refuses', () => {
    expect(stage.upstream.faults).toEqual([]);
  });

  it('reports no defect of its own', () => {
    expect(stage.app.lines.filter((line) => line.level === 'error')).toEqual([]);
  });
});

/** What depends on the store: claims, settlements, and how a response comes back out of it. */
const LMDB_THEMES = /^(?:key-lenient|method-|scope-|print-in-flight|print-unknown|fail-|replay-|time-|body-)/;

describe('conformance on the LMDB store', () => {
  let stage: OpenStage;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'onceward-conformance-'));
    stage = await openStage(`lmdb:${join(folder, 'store')}`);
  });
  afterAll(async () => {
    await stage.close();
    await rm(folder, { recursive: true, force: true });
  });

  const some = CASES.filter(({ id }) => LMDB_THEMES.test(id));
  it.for(some.map((conformance) => [conformance.id, conformance.title, conformance] as const))(
    '%s: %s',
    async ([, , conformance]) => {
      expect(await playCase(stage, conformance)).toEqual([]);
    },
  );
});
