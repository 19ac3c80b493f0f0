import { afterEach, expect, it } from 'vitest';
import { baseConfig, startChildProxy, temporaryFolder } from '../support/child-proxy.ts';
import { type Arrival, startCountingBackend } from '../support/counting-backend.ts';
import { freePort } from '../support/free-port.ts';
import { startRedisServer } from '../support/redis-server.ts';
import { keyed, sendRequest } from '../support/send-request.ts';
import { until } from '../support/until.ts';

const closers: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Fault 28. */
it('counts and logs every claim that a flushed Redis has lost, and gives each client its true answer', async () => {
  const requests = 20;
  const redis = await startRedisServer();
  closers.push(redis.remove);
  const backend = await startCountingBackend();
  closers.push(() => backend.close());
  const folder = temporaryFolder();
  closers.push(() => folder.remove());
  const observePort = await freePort();
  const config = {
    ...baseConfig(backend.origin, { url: redis.url }),
    observe: { listen: `127.0.0.1:${observePort}` },
    secrets: ['a secret of forty characters for testing'],
  };
  const proxy = await startChildProxy(['--config', folder.config(config)]);
  closers.push(() => proxy.kill());
  const held: Arrival[] = [];
  backend.behave((arrival) => {
    arrival.execute();
    held.push(arrival);
  });
  const answers = Array.from({ length: requests }, (_, n) =>
    sendRequest(proxy.port, { headers: keyed(`lost-${n}`) }),
  );
  await until('all are in execution', async () => (held.length === requests ? held : null));

  await redis.command('FLUSHALL');
  for (const arrival of held) arrival.answer(201, '{"done":true}');

  const statuses = (await Promise.all(answers)).map(({ status }) => status);
  expect(statuses).toEqual(Array.from({ length: requests }, () => 201));
  await until('every loss is counted', async () => {
    const metrics = await (await fetch(`http://127.0.0.1:${observePort}/metrics`)).text();
    return new RegExp(`^onceward_claims_lost_total\\{[^}]*\\} ${requests}$`, 'm').test(metrics)
      ? 'all'
      : null;
  });
  await proxy.logLine((line) => String(line.msg).startsWith('claim lost'));
  await fetch(`http://127.0.0.1:${observePort}/readyz`);
  await proxy.logLine((line) => String(line.msg).includes('has lost its records'));
});
