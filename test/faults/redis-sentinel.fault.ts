import { type RedisSentinels, SENTINEL_NAME, startRedisSentinels } from '../support/redis-sentinel.ts';
import type { RedisServer } from '../support/redis-server.ts';
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

/**
 * Fault 22: failovers under load, without `store.wait`, where a replica may lack what the primary has acknowledged, and
 * with it for all replicas.
 */
export const FAULT: FaultScript = {
  name: 'redis-sentinel',
  promise:
    'A failover to a replica that lacks acknowledged records can repeat what they stood for, and only that; with store.wait for all replicas nothing is executed twice.',
  quickMsMax: 40_000,
  run,
};

type Way = 'killed' | 'stopped' | 'asked';
const WAYS: readonly Way[] = ['stopped', 'killed', 'asked'];
const DOWN_AFTER_MS = 500;
/** Proxies look for the primary every second: by then they have left one that still takes writes. */
const LEFT_MS = 1_500;

async function run({ form, seed, say }: FaultRun): Promise<FaultResult> {
  const figures: Figure[] = [];
  const failovers = form === 'quick' ? 1 : 20;
  for (const replicas of [0, 1] as const) {
    const title = replicas === 0 ? 'without wait: ' : 'wait for all replicas: ';
    const sentinels = await startRedisSentinels({
      downAfterMs: DOWN_AFTER_MS,
      server: { appendfsync: 'everysec' },
    });
    try {
      let done = 0;
      const result = await breakUnderLoad({
        seed,
        store: {
          url: sentinels.url,
          sentinel: { name: SENTINEL_NAME },
          nodes: [...sentinels.nodes],
          wait: { replicas, timeout: '200ms' },
        },
        async breakThings(stage) {
          for (let n = 0; n < failovers; n += 1) {
            await failOver(sentinels, WAYS[(n + seed) % WAYS.length] ?? 'killed', stage);
            done += 1;
            if (done % 5 === 0) say(`redis-sentinel: ${title}${done} of ${failovers} failovers`);
          }
        },
      });
      for (const example of result.load.examples) say(`redis-sentinel: ${title}${example}`);
      figures.push(atLeast(`${title}failovers`, done, failovers));
      figures.push(...(replicas === 0 ? lossFigures(result, title) : waitFigures(result, title)));
    } finally {
      await sentinels.remove();
    }
  }
  return { figures, versions: [versionOf('redis-server')] };
}

/** Ends with both servers replicating again. */
async function failOver(sentinels: RedisSentinels, way: Way, stage: RedisStage): Promise<void> {
  const old = await sentinels.primary();
  switch (way) {
    case 'killed': {
      await old.kill();
      const promoted = await sentinels.untilOther(old);
      await old.restart('listening', ['replicaof', `127.0.0.1 ${promoted.port}`]);
      break;
    }
    case 'stopped': {
      old.pause();
      const promoted = await sentinels.untilOther(old);
      // What it had in its buffers it answers as a primary, and loses.
      old.resume();
      await follow(old, promoted, stage);
      break;
    }
    case 'asked':
      await follow(old, await sentinels.failOver(), stage);
      break;
    default:
      throw new Error(`no way ${String(way satisfies never)}`);
  }
  await sentinels.untilReplicated();
  await stage.untilServed();
  await stage.pause(200 + stage.random() * 300);
}

/** The sentinels would do so as well, after some ten seconds. */
async function follow(old: RedisServer, promoted: RedisServer, stage: RedisStage): Promise<void> {
  await stage.pause(LEFT_MS);
  await old.command('REPLICAOF', '127.0.0.1', String(promoted.port));
}

function lossFigures(
  { load, claimsLost, doublesAfterAnswer, outageMs }: RedisStageResult,
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
    told(`${title}longest time in which nothing was executed`, `${outageMs} ms`),
  ];
}

function waitFigures({ load, claimsLost, outageMs }: RedisStageResult, title: string): readonly Figure[] {
  return [
    ...loadFigures(load, title),
    told(`${title}claims lost before their dispatch`, claimsLost),
    told(`${title}longest time in which nothing was executed`, `${outageMs} ms`),
  ];
}

await runAlone(import.meta.url, FAULT);
