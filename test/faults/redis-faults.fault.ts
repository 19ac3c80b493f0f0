import { type RedisServer, startRedisServer } from '../support/redis-server.ts';
import {
  exactly,
  type FaultResult,
  type FaultRun,
  type FaultScript,
  runAlone,
  told,
} from './fault-script.ts';
import { loadFigures } from './load.ts';
import { breakUnderLoad, type RedisStage } from './redis-stage.ts';
import { versionOf } from './store-stage.ts';

/** Faults 21 and 23 to 27: one Redis with `appendfsync always`, under the load of two proxies. */
export const FAULT: FaultScript = {
  name: 'redis-faults',
  promise:
    'A Redis that is killed, stopped, read only, full, busy, without its scripts or without its connections refuses or delays requests; none is executed twice and no acknowledged claim is lost.',
  quickMsMax: 30_000,
  run,
};

type Breaking = {
  readonly name: string;
  breakIt(redis: RedisServer, stage: RedisStage): Promise<void>;
};

/** Each breaks it for a part of a second to more than a command may take, and mends it. */
const BREAKINGS: readonly Breaking[] = [
  {
    name: 'killed and started again',
    async breakIt(redis, { pause, random }) {
      await redis.kill();
      await pause(random() * 500);
      await redis.restart('listening');
    },
  },
  {
    name: 'stopped (SIGSTOP)',
    async breakIt(redis, { pause, random }) {
      redis.pause();
      await pause(300 + random() * 2_700);
      redis.resume();
    },
  },
  {
    name: 'read only',
    async breakIt(redis, { pause, random }) {
      await redis.command('REPLICAOF', '127.0.0.1', '1');
      await pause(random() * 1_000);
      await redis.command('REPLICAOF', 'NO', 'ONE');
    },
  },
  {
    name: 'out of memory',
    async breakIt(redis, { pause, random }) {
      await redis.command('CONFIG', 'SET', 'maxmemory', '1');
      await pause(random() * 1_000);
      await redis.command('CONFIG', 'SET', 'maxmemory', '0');
    },
  },
  {
    name: 'busy with a script',
    async breakIt(redis, { pause, random }) {
      await redis.command('CONFIG', 'SET', 'busy-reply-threshold', '50');
      const endless = redis.command('EVAL', 'while true do end', '0').catch(() => undefined);
      await pause(100 + random() * 1_000);
      await redis.command('SCRIPT', 'KILL');
      await endless;
    },
  },
  {
    name: 'without its scripts',
    async breakIt(redis) {
      await redis.command('SCRIPT', 'FLUSH');
    },
  },
  {
    name: 'without its connections',
    async breakIt(redis) {
      await redis.command('CLIENT', 'KILL', 'TYPE', 'normal');
    },
  },
];

async function run({ form, seed, say }: FaultRun): Promise<FaultResult> {
  const rounds = form === 'quick' ? 1 : 20;
  const redis = await startRedisServer({ appendfsync: 'always' });
  const times = new Map<string, number>();
  try {
    const { load, claimsLost, outageMs } = await breakUnderLoad({
      seed,
      store: { url: redis.url },
      async breakThings(stage) {
        for (let round = 1; round <= rounds; round += 1) {
          for (const { name, breakIt } of BREAKINGS) {
            await breakIt(redis, stage);
            times.set(name, (times.get(name) ?? 0) + 1);
            await stage.untilServed();
            await stage.pause(100 + stage.random() * 200);
          }
          if (round % 5 === 0) say(`redis-faults: ${round} of ${rounds} rounds`);
        }
      },
    });
    for (const example of load.examples) say(`redis-faults: ${example}`);
    return {
      figures: [
        ...[...times].map(([name, count]) => told(`times ${name}`, count)),
        ...loadFigures(load),
        exactly('claims lost', claimsLost, 0),
        told('longest time in which nothing was executed', `${outageMs} ms`),
      ],
      versions: [versionOf('redis-server')],
    };
  } finally {
    await redis.remove();
  }
}

await runAlone(import.meta.url, FAULT);
