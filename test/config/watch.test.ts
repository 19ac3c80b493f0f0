import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Loaded, loadConfigFile, loadConfigText } from '../../src/config/load.ts';
import type { ResolvedConfig } from '../../src/config/resolved.ts';
import { restartNeeded, watchConfig } from '../../src/config/watch.ts';
import type { ContentWatch } from '../../src/config/watch-content.ts';
import { tempFolder, writeTemp } from './temp.ts';

const yaml = (lease: string): string =>
  `upstream: { url: http://127.0.0.1:3000 }\ndefaults: { lease: ${lease} }\n`;

type Watching = { readonly watch: ContentWatch; next(): Promise<Loaded>; readonly seen: readonly Loaded[] };

async function watching(file: string): Promise<Watching> {
  const seen: Loaded[] = [];
  let wake = (): void => {};
  let taken = 0;
  const started = await loadConfigFile(file, {});
  const watch = watchConfig({
    file,
    env: {},
    intervalMs: 5,
    contentHash: started.contentHash,
    onChange: (loaded) => {
      seen.push(loaded);
      wake();
    },
  });
  onTestFinished(() => watch.stop());
  const next = async (): Promise<Loaded> => {
    for (;;) {
      const loaded = seen[taken];
      if (loaded !== undefined) {
        taken += 1;
        return loaded;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return { watch, next, seen };
}

function leaseOf(loaded: Loaded): number | string {
  if (loaded.kind === 'faults') return loaded.faults.map(({ message }) => message).join();
  const { fallback } = loaded.config;
  return fallback.kind === 'policy' ? fallback.policy.leaseMs : fallback.kind;
}

describe('a watched file', () => {
  it('that is written anew is loaded', async () => {
    const file = await writeTemp(yaml('15s'));
    const { next } = await watching(file);

    await writeFile(file, yaml('16s'));

    expect(leaseOf(await next())).toBe(16_000);
  });

  it('that an editor renames another over is loaded', async () => {
    const file = await writeTemp(yaml('15s'));
    const { next } = await watching(file);

    await writeFile(`${file}.new`, yaml('17s'));
    await rename(`${file}.new`, file);

    expect(leaseOf(await next())).toBe(17_000);
  });

  it('behind a link that Kubernetes swaps is loaded', async () => {
    const folder = await tempFolder();
    for (const [version, lease] of [
      ['1', '15s'],
      ['2', '18s'],
    ]) {
      await mkdir(join(folder, `..${version}`));
      await writeFile(join(folder, `..${version}`, 'onceward.yaml'), yaml(lease ?? ''));
    }
    await symlink('..1', join(folder, '..data'));
    await symlink('..data/onceward.yaml', join(folder, 'onceward.yaml'));
    const { next } = await watching(join(folder, 'onceward.yaml'));

    await symlink('..2', join(folder, '..tmp'));
    await rename(join(folder, '..tmp'), join(folder, '..data'));

    expect(leaseOf(await next())).toBe(18_000);
  });

  it('that becomes faulty is reported, and once more when it is mended', async () => {
    const file = await writeTemp(yaml('15s'));
    const { next } = await watching(file);

    await writeFile(file, yaml('15'));
    const faulty = await next();
    await writeFile(file, yaml('15s'));
    const mended = await next();

    expect([leaseOf(faulty), leaseOf(mended)]).toEqual([
      'needs a unit, such as 500ms, 15s, 5m, 24h or 7d',
      15_000,
    ]);
  });

  it('that goes away is reported, and loaded when it is back', async () => {
    const file = await writeTemp(yaml('15s'));
    const { next } = await watching(file);

    await rm(file);
    const gone = await next();
    await writeFile(file, yaml('19s'));
    const back = await next();

    expect([leaseOf(gone), leaseOf(back)]).toEqual(['there is no such file', 19_000]);
  });

  it('is loaded when asked for, changed or not', async () => {
    const { watch, next } = await watching(await writeTemp(yaml('15s')));

    watch.checkNow();

    expect(leaseOf(await next())).toBe(15_000);
  });

  it('that changed between the start and the first look is loaded', async () => {
    const file = await writeTemp(yaml('20s'));
    const older = loadConfigText(yaml('15s'), file, {});

    const loaded = await new Promise<Loaded>((resolve) => {
      const watch = watchConfig({
        file,
        env: {},
        intervalMs: 5,
        contentHash: older.contentHash,
        onChange: resolve,
      });
      onTestFinished(() => watch.stop());
    });

    expect(leaseOf(loaded)).toBe(20_000);
  });

  it('is looked at no more once stopped', async () => {
    const file = await writeTemp(yaml('15s'));
    const { watch, seen } = await watching(file);
    const other = await watching(file);

    watch.stop();
    await writeFile(file, yaml('21s'));
    await other.next();

    expect(seen).toEqual([]);
  });
});

describe('a restart', () => {
  const config = (text: string): ResolvedConfig => {
    const loaded = loadConfigText(text, 'o.yaml', {});
    if (loaded.kind === 'ok') return loaded.config;
    throw new Error('the configuration of the test is faulty');
  };
  const base = 'upstream: { url: http://127.0.0.1:3000 }\n';

  it.each([
    ['listen: 127.0.0.1:1', ['listen']],
    ['observe: off', ['observe']],
    ['admin: off', ['admin']],
    ['store: memory', ['store']],
    ['store: { deadline: 2s }', ['store']],
    ['secrets: [abcdefghijklmnopqrstuvwxyz012345]', ['secrets']],
    ['limits: { head: 32KiB }\nlog: { level: warn }', ['limits', 'log']],
    ['defaults: { lease: 20s }\nroutes: [{ name: a }]\nunmatched: bypass\ndrain: { delay: 1s }', []],
  ])('after %j is needed for %j', (text, parts) => {
    expect(restartNeeded(config(base), config(base + text))).toEqual(parts);
  });
});
