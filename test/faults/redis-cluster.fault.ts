import { type RedisCluster, type RedisClusterNode, startRedisCluster } from '../support/redis-cluster.ts';
import {
  atLeast,
  atMost,
  exactly,
  type FaultResult,
  type FaultRun,
  type FaultScript,
  type Figure,
  runAlone,
  told,
} from './fault-script.ts';
import { loadFigures } from './load.ts';
import { breakUnderLoad, type RedisStage, type RedisStageResult } from './redis-stage.ts';
import { versionOf } from './store-stage.ts';

/** Fault 23 in a cluster of three primaries with a replica each: slots migrate under load, and nodes are lost. */
export const FAULT: FaultScript = {
  name: 'redis-cluster',
  promise:
    'Slots that migrate under load cost nothing: ASK and MOVED are followed. A node that is lost can repeat what its replica lacked, and with store.wait for all replicas nothing.',
  quickMsMax: 40_000,
  run,
};

const SLOTS_MOVED = 4_000;
const NODE_TIMEOUT_MS = 1_000;

async function run({ form, seed, say }: FaultRun): Promise<FaultResult> {
  const figures: Figure[] = [];
  const times = form === 'quick' ? 1 : 10;
  const runs = form === 'quick' ? ([1] as const) : ([0, 1] as const);
  for (const replicas of runs) {
    const title = replicas === 0 ? 'without wait: ' : 'wait for all replicas: ';
    const cluster = await startRedisCluster({
      replicas: 'one-each',
      nodeTimeoutMs: NODE_TIMEOUT_MS,
      server: { appendfsync: 'everysec' },
    });
    try {
      let lost = 0;
      const redirections = { ASK: 0, MOVED: 0 };
      const result = await breakUnderLoad({
        seed,
        store: {
          url: cluster.url,
          cluster: true,
          nodes: cluster.addresses.slice(1),
          wait: { replicas, timeout: '200ms' },
        },
        async breakThings(stage) {
          for (let n = 0; n < times; n += 1) {
            const before = await countRedirections(cluster);
            await moveSlots(cluster, stage);
            const after = await countRedirections(cluster);
            redirections.ASK += after.ASK - before.ASK;
            redirections.MOVED += after.MOVED - before.MOVED;
            await loseNode(cluster, stage);
            lost += 1;
            if (lost % 5 === 0) say(`redis-cluster: ${title}${lost} of ${times}`);
          }
        },
      });
      for (const example of result.load.examples) say(`redis-cluster: ${title}${example}`);
      figures.push(
        atLeast(`${title}migrations of up to ${SLOTS_MOVED} slots, and nodes lost`, lost, times),
        atLeast(`${title}ASK answered by the nodes`, redirections.ASK, 1),
        atLeast(`${title}MOVED answered by the nodes`, redirections.MOVED, 1),
        ...(replicas === 0 ? lossFigures(result, title) : loadFigures(result.load, title)),
        told(`${title}longest time in which nothing was executed`, `${result.outageMs} ms`),
      );
    } finally {
      await cluster.remove();
    }
  }
  return { figures, versions: [versionOf('redis-server')] };
}

/** There and, with the next call, back or on. */
async function moveSlots(cluster: RedisCluster, stage: RedisStage): Promise<void> {
  const from = await cluster.ownerOf(Math.floor(stage.random() * 16_384));
  const to = await otherOwner(cluster, from);
  const owned = await cluster.slotsOf(from);
  // Never its last: a primary without slots becomes a replica in the middle of the migration.
  const slots = owned.slice(0, Math.min(SLOTS_MOVED, Math.floor(owned.length / 2)));
  await cluster.beginMigration(slots, from, to);
  await stage.pause(300);
  await cluster.migrateNames(slots, from, to);
  await stage.pause(300);
  await cluster.endMigration(slots, from, to);
  await stage.untilServed();
  await stage.pause(200);
}

async function otherOwner(cluster: RedisCluster, than: RedisClusterNode): Promise<RedisClusterNode> {
  for (const slot of [0, 8_000, 16_383, 4_000, 12_000]) {
    const owner = await cluster.ownerOf(slot);
    if (owner.port !== than.port) return owner;
  }
  throw new Error('one node owns all');
}

/** Killed, replaced by its replica, and started again: it comes back as the replica. */
async function loseNode(cluster: RedisCluster, stage: RedisStage): Promise<void> {
  const slot = Math.floor(stage.random() * 16_384);
  const node = await cluster.ownerOf(slot);
  await node.kill();
  await cluster.untilOwned(slot, node);
  await node.restart('listening');
  await cluster.untilWhole();
  await stage.untilServed();
  await stage.pause(200 + stage.random() * 300);
}

type Redirections = { readonly ASK: number; readonly MOVED: number };

/** Since the nodes were started last: one that is lost forgets its own. */
async function countRedirections(cluster: RedisCluster): Promise<Redirections> {
  const infos = await Promise.all(cluster.nodes.map((node) => node.command('INFO', 'errorstats')));
  const count = (code: string): number =>
    infos.reduce<number>(
      (sum, info) => sum + Number(new RegExp(`errorstat_${code}:count=(\\d+)`).exec(String(info))?.[1] ?? 0),
      0,
    );
  return { ASK: count('ASK'), MOVED: count('MOVED') };
}

function lossFigures(
  { load, claimsLost, doublesAfterAnswer }: RedisStageResult,
  title: string,
): readonly Figure[] {
  return [
    told(`${title}keys sent`, load.keys),
    told(`${title}claims acknowledged and lost, counted in onceward_claims_lost_total`, claimsLost),
    told(`${title}keys executed twice`, load.doubles),
    told(`${title}of them after the first answer, when nobody may be left to count`, doublesAfterAnswer),
    atMost(
      `${title}keys executed twice during the first execution, beyond the lost claims counted`,
      Math.max(0, load.doubles - doublesAfterAnswer - claimsLost),
      0,
    ),
    exactly(`${title}keys without a final answer`, load.gaveUp + load.refused, 0),
    told(`${title}keys told unknown`, load.unknown),
  ];
}

await runAlone(import.meta.url, FAULT);
