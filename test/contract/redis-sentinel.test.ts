import { afterAll, beforeAll } from 'vitest';
import { sentinelTopology } from '../support/redis-opener.ts';
import { type RedisSentinels, startRedisSentinels } from '../support/redis-sentinel.ts';
import { openRedisHarness } from './redis-harness.ts';
import { storeContract } from './store-contract.ts';

let sentinels: RedisSentinels;

beforeAll(async () => {
  sentinels = await startRedisSentinels();
});

afterAll(async () => {
  await sentinels.remove();
});

/** With `wait`, so that the whole contract holds for it too. */
storeContract('redis behind sentinels, waiting for its replica,', () =>
  openRedisHarness({
    url: sentinels.url,
    unitMs: 250,
    change: {
      topology: sentinelTopology(sentinels),
      wait: { replicas: 1, timeoutMs: 1500 },
    },
    async restart() {
      const primary = await sentinels.primary();
      await primary.kill();
      await primary.restart();
      await sentinels.untilReplicated();
    },
  }),
);
