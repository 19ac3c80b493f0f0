import { createServer, type Server } from 'node:http';
import { afterEach, expect, it } from 'vitest';
import { createHealth } from '../../src/admin/health.ts';
import { startObserveServer } from '../../src/admin/observe-server.ts';
import { startPrometheus } from '../support/prometheus.ts';
import { sampleMetrics, useAll } from './sample-metrics.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const DEADLINE_MS = 20_000;

it('a real Prometheus scrapes the observe port in both formats', { timeout: 60_000 }, async () => {
  const metrics = sampleMetrics();
  useAll(metrics);
  const seen: (string | undefined)[] = [];
  const observe = await startObserveServer({
    listen: { host: '127.0.0.1', port: 0 },
    health: createHealth({ checks: [] }),
    metrics: {
      async render(accept) {
        const scrape = await metrics.render(accept);
        seen.push(scrape.contentType.split(';')[0]);
        return scrape;
      },
    },
    onError: (error) => {
      throw error;
    },
  });
  cleanups.push(() => observe.close());
  const relayPort = await startTextRelay(observe.address.port);
  const prometheus = await startPrometheus([
    { job: 'openmetrics', hostPort: `127.0.0.1:${observe.address.port}`, path: '/metrics' },
    { job: 'text', hostPort: `127.0.0.1:${relayPort}`, path: '/metrics' },
  ]);
  cleanups.push(() => prometheus.stop());

  for (const job of ['openmetrics', 'text']) {
    const executed = `onceward_requests_total{job="${job}",route="payments",class="unsafe",outcome="executed"}`;
    expect(await prometheus.valueWhen(`up{job="${job}"}`, (up) => up === 1, DEADLINE_MS)).toBe(1);
    expect(await prometheus.valueWhen(executed, () => true, DEADLINE_MS)).toBe(1);
  }
  metrics.requestEnded('payments', 'unsafe', 'executed', 0.1);
  for (const job of ['openmetrics', 'text']) {
    const count = `onceward_request_duration_seconds_count{job="${job}",route="payments",outcome="executed"}`;
    expect(await prometheus.valueWhen(count, (value) => value === 2, DEADLINE_MS)).toBe(2);
  }
  expect(new Set(seen)).toEqual(new Set(['application/openmetrics-text', 'text/plain']));
});

/** This Prometheus always asks for OpenMetrics: a hop without its Accept shows it the text format. */
async function startTextRelay(port: number): Promise<number> {
  const relay: Server = createServer((request, response) => {
    fetch(`http://127.0.0.1:${port}${request.url ?? ''}`, { headers: { Accept: 'text/plain' } })
      .then(async (answer) => {
        response.writeHead(answer.status, { 'Content-Type': answer.headers.get('content-type') ?? '' });
        response.end(await answer.text());
      })
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  cleanups.push(async () => {
    relay.closeAllConnections();
    await new Promise((resolve) => relay.close(resolve));
  });
  const address = relay.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
