import { Agent, request } from 'node:http';

/** A closed loop of keep-alive connections: each sends its next request when it has the answer to its last. */

export type Load = {
  /** Sends for about durationMs and returns what was measured; rejects on an answer of another kind than expected. */
  run(plan: LoadPlan): Promise<Measured>;
  close(): void;
};

export type LoadPlan = {
  readonly port: number;
  readonly durationMs: number;
  /** The key of the nth request of this run, or null for none. */
  readonly keyOf: (n: number) => string | null;
  /** What `Idempotency-Status` must be; null: absent. */
  readonly expects: 'executed' | 'replayed' | null;
};

export type Measured = {
  readonly requests: number;
  readonly elapsedMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
};

const BODY = Buffer.from(
  JSON.stringify({ amount: 4200, currency: 'eur', customer: 'ada', note: 'x'.repeat(180) }),
);

export function createLoad(connections: number): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: connections, scheduling: 'fifo' });
  return {
    async run(plan) {
      const latencies: number[] = [];
      const startedMs = performance.now();
      let sent = 0;
      const loop = async (): Promise<void> => {
        while (performance.now() - startedMs < plan.durationMs) {
          const sentMs = performance.now();
          sent += 1;
          await once(agent, plan, plan.keyOf(sent));
          latencies.push(performance.now() - sentMs);
        }
      };
      await Promise.all(Array.from({ length: connections }, loop));
      const elapsedMs = performance.now() - startedMs;
      latencies.sort((a, b) => a - b);
      const at = (share: number): number =>
        latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
      return { requests: latencies.length, elapsedMs, p50Ms: at(0.5), p99Ms: at(0.99) };
    },
    close() {
      agent.destroy();
    },
  };
}

function once(agent: Agent, plan: LoadPlan, key: string | null): Promise<void> {
  const headers: Record<string, string | number> = {
    'Content-Type': 'application/json',
    'Content-Length': BODY.byteLength,
    Authorization: 'Bearer bench',
  };
  if (key !== null) headers['Idempotency-Key'] = `"${key}"`;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: '127.0.0.1', port: plan.port, method: 'POST', path: '/v1/payments', agent, headers },
      (response) => {
        response.resume();
        response.on('error', reject);
        response.on('end', () => {
          const status = response.headers['idempotency-status'] ?? null;
          if (response.statusCode === 200 && status === plan.expects) resolve();
          else
            reject(new Error(`expected 200 ${plan.expects}, got ${response.statusCode} ${String(status)}`));
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(BODY);
  });
}
