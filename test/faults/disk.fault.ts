import { execFileSync } from 'node:child_process';
import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { runBinary } from '../support/child-proxy.ts';
import { seededRandom } from '../support/seeded.ts';
import { until } from '../support/send-request.ts';
import {
  charge,
  charged,
  fail,
  keep,
  type Node,
  readiness,
  type Stage,
  setUp,
  start,
  tells,
} from './disk-stage.ts';
import {
  exactly,
  type FaultResult,
  type FaultRun,
  type FaultScript,
  runAlone,
  told,
} from './fault-script.ts';
import { loadFigures, runLoad } from './load.ts';

/**
 * Faults 31, 34 and 35: the disk under two proxies that share an LMDB store is full, read only, or fails at fsync,
 * while clients go on. A full or read-only disk: claims say so, replays go on, and claims come back by themselves. A
 * failed fsync: the process claims nothing more until it is started anew. A file cut off while it is open ends the
 * process, and the next start is refused.
 */
export const FAULT: FaultScript = {
  name: 'disk',
  promise:
    'A disk that is full, read only, fails at fsync or loses its file: new claims get 503 with the reason, replays go on, nothing is executed twice; a full or read-only disk needs no restart.',
  quickMsMax: 30_000,
  run,
};

async function run({ form, seed, say }: FaultRun): Promise<FaultResult> {
  const random = seededRandom(seed);
  const rounds = form === 'quick' ? 1 : 15;
  const closers: (() => Promise<void> | void)[] = [];
  try {
    const stage = await setUp(closers);
    const { seen, nodes } = stage;
    const stop = new AbortController();
    const loading = runLoad({
      backend: stage.backend,
      ports: () => nodes.map(({ proxy }) => proxy.port),
      clients: 6,
      keys: 1_000_000,
      pacePerSecond: 40,
      seed,
      keyPrefix: `disk-${seed}`,
      stop: stop.signal,
    });
    try {
      for (let round = 0; round < rounds; round += 1) {
        await fullDisk(stage, `full-${round}`);
        await readOnlyDisk(stage, `readonly-${round}`);
        await failedSync(stage, Math.floor(random() * nodes.length), `eio-${round}`);
        await failedWrite(stage, Math.floor(random() * nodes.length), `write-${round}`);
        if (round % 5 === 4) say(`${round + 1} of ${rounds} rounds`);
      }
    } finally {
      stop.abort();
    }
    const load = await loading;
    const cut = await cutOff(stage);
    return {
      figures: [
        told('rounds: disk full, read only, EIO at fsync, ENOSPC at a write that nobody foresaw', rounds),
        told('system calls that failed', seen.failedCalls),
        exactly('faults told by name, in the problem and on /readyz', seen.told, rounds * 3),
        exactly('faults during which replays went on', seen.replayed, rounds * 3),
        exactly(
          'full or read-only disks after which claims came back by themselves',
          seen.recovered,
          rounds * 2,
        ),
        exactly('claims granted after a failed fsync', seen.claimedAfterFailedSync, 0),
        told('processes ended by the driver at a write that nobody foresaw', seen.ended),
        ...loadFigures(load),
        told('ends of the proxies whose file was cut off while open', cut.end),
        exactly('clear refusals of the cut file at the next start', cut.refused, 1),
        exactly('keys executed twice around the cut', cut.doubles, 0),
      ],
      versions: [execFileSync('strace', ['--version'], { encoding: 'utf8' }).split('\n')[0] ?? 'strace'],
    };
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function fullDisk(stage: Stage, name: string): Promise<void> {
  await keep(stage.nodes, name);
  stage.disk.fill();
  await observe(stage, stage.nodes, 'disk_full', name);
  stage.disk.empty();
  await recover(stage, name);
}

async function readOnlyDisk(stage: Stage, name: string): Promise<void> {
  await keep(stage.nodes, name);
  // As a volume says it that was remounted: to the look before a write. A write that meets it is `failedWrite`.
  const calls = ['access', 'faccessat', 'faccessat2'] as const;
  const disks = await Promise.all(stage.nodes.map((node) => fail(stage, node, calls, 'EROFS')));
  try {
    await observe(stage, stage.nodes, 'readonly', name);
  } finally {
    for (const disk of disks) {
      stage.seen.failedCalls += disk.failed();
      await disk.mend();
    }
  }
  await recover(stage, name);
}

/** One proxy: the other hears of its own failures only. */
async function failedSync(stage: Stage, victim: number, name: string): Promise<void> {
  const { nodes, seen, disk } = stage;
  const node = nodes[victim];
  if (node === undefined) return;
  await keep([node], name);
  const failing = await fail(stage, node, ['fdatasync'], 'EIO');
  try {
    await observe(stage, [node], 'disk_failed', name);
  } finally {
    seen.failedCalls += failing.failed();
    await failing.mend();
  }
  // The disk says that it is well again. What it lost it will not say.
  for (let again = 0; again < 5; again += 1) {
    const answer = await charge(node, `again-${name}-${again}`);
    if (answer.status !== 503 || (await readiness(node)).status !== 503) seen.claimedAfterFailedSync += 1;
  }
  await node.proxy.kill();
  node.proxy = await start(disk, node.config);
  await charged(node, `after-${name}`);
}

/** A quota, or a volume that promised more than it has: no look at the disk tells it, so the driver meets it. */
async function failedWrite(stage: Stage, victim: number, name: string): Promise<void> {
  const { nodes, seen, disk } = stage;
  const node = nodes[victim];
  if (node === undefined) return;
  await charged(node, `kept-${name}`);
  const { proxy } = node;
  const life: { state: 'running' | 'ended' } = { state: 'running' };
  void proxy.ended.then(() => {
    life.state = 'ended';
  });
  const failing = await fail(stage, node, ['pwrite64', 'writev', 'write'], 'ENOSPC');
  await until(
    async () =>
      life.state === 'ended' || (await tells(node, 'disk_full', `new-${name}-${Math.random()}`)) === 'told',
    (over) => over,
  );
  seen.failedCalls += failing.failed();
  await failing.mend();
  const after = await charged(node, `after-${name}`).then(
    () => 'charged',
    () => 'broken',
  );
  // A connection breaks a moment before the process that held it is known to have ended; a living one must charge.
  if (after === 'broken')
    await until(
      async () => life.state,
      (state) => state === 'ended',
    );
  if (life.state === 'ended') seen.ended += 1;
  // What the driver wrote beyond its buffer may end it any time from here on; that is one death, and counted.
  await proxy.kill();
  node.proxy = await start(disk, node.config);
  await charged(node, `restarted-${name}`);
}

/** New claims say why, and what was kept is replayed. */
async function observe({ seen }: Stage, nodes: readonly Node[], reason: string, name: string): Promise<void> {
  for (const [index, node] of nodes.entries()) {
    let attempt = 0;
    await until(
      () => {
        attempt += 1;
        return tells(node, reason, `new-${name}-${index}-${attempt}`);
      },
      (said) => said === 'told',
    );
  }
  seen.told += 1;
  const replays = await Promise.all(nodes.map((node) => charge(node, `kept-${name}`)));
  if (replays.every(({ status, headers }) => status === 201 && headers['idempotent-replayed'] === 'true'))
    seen.replayed += 1;
}

async function recover({ nodes, seen }: Stage, name: string): Promise<void> {
  for (const [index, node] of nodes.entries()) {
    await charged(node, `after-${name}-${index}`);
    await until(
      () => readiness(node),
      ({ status }) => status === 200,
    );
  }
  seen.recovered += 1;
}

type CutOff = { readonly end: string; readonly refused: number; readonly doubles: number };

/** The pages that are gone end a process at the first touch: nothing in it can be asked before. */
async function cutOff({ disk, backend, nodes }: Stage): Promise<CutOff> {
  const [node] = nodes;
  if (node === undefined) throw new Error('no proxy is there');
  const keys = Array.from({ length: 40 }, (_, n) => `cut-${n}`);
  for (const key of keys) await charged(node, key);
  truncateSync(disk.outside(join(disk.path, 'data', 'data.mdb')), 3 * 4096);
  for (const each of nodes) {
    for (const key of keys) await charge(each, key).catch(() => undefined);
  }
  for (const { proxy } of nodes) proxy.signal('SIGKILL');
  const ends = await Promise.all(nodes.map(({ proxy }) => proxy.ended));
  const again = await runBinary(['run', '--config', node.config], { enter: disk.enter });
  return {
    end: ends.map(({ code, signal }) => String(signal ?? code)).join(', '),
    refused: again.code === 1 && /cannot open the store .*restore a copy/.test(again.stderr) ? 1 : 0,
    doubles: keys.filter((key) => backend.executions(key) > 1).length,
  };
}

await runAlone(import.meta.url, FAULT);
