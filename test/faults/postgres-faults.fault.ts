import { baseConfig, type ChildProxy, startChildProxy, temporaryFolder } from '../support/child-proxy.ts';
import { startCountingBackend } from '../support/counting-backend.ts';
import { type PostgresServer, startPostgresServer } from '../support/postgres-server.ts';
import { seededRandom } from '../support/seeded.ts';
import { until } from '../support/send-request.ts';
import { startTcpRelay, type TcpRelay } from '../support/tcp-relay.ts';
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
 * The PostgreSQL row of the issue: under two proxies and their load the server is killed, restarted, stopped for a
 * while, single sessions are ended, and connections are cut after a statement went out and before its reply came.
 */
export const FAULT: FaultScript = {
  name: 'postgres-faults',
  promise:
    'PostgreSQL killed, restarted, stopped, its sessions ended, connections cut between statement and reply: nothing is executed twice, nothing executed is called "not executed", every key comes to an end.',
  quickMsMax: 30_000,
  run,
};

const LEASE_MS = 3_000;
const SLACK_MS = 1_000;
const CHARGES_BETWEEN = 30;
const RECOVERY_MS_MAX = 30_000;

type Stage = {
  readonly server: PostgresServer;
  readonly relay: TcpRelay;
  readonly random: () => number;
};

type Fault = { readonly name: string; strike(stage: Stage): Promise<void> };

const FAULTS: readonly Fault[] = [
  {
    name: 'kills of the server (SIGKILL to all of its processes)',
    async strike({ server, random }) {
      await server.kill();
      await pause(200 * random());
      await server.restart();
    },
  },
  {
    name: 'immediate restarts (SIGINT, connections ended)',
    async strike({ server, random }) {
      await server.stop();
      await pause(200 * random());
      await server.restart();
    },
  },
  {
    name: 'single sessions ended',
    async strike({ server, random }) {
      const sessions = await server.command(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'onceward' ORDER BY pid",
      );
      const session = sessions[Math.floor(random() * sessions.length)];
      if (session !== undefined) await server.command(`SELECT pg_terminate_backend(${Number(session.pid)})`);
    },
  },
  {
    name: 'connections cut between statement and reply',
    strike: ({ relay }) => relay.loseNextAnswer(),
  },
  {
    name: 'pauses of the server (SIGSTOP) of up to one and a half leases',
    async strike({ server, random }) {
      server.pause();
      await pause(LEASE_MS * 1.5 * random());
      server.resume();
    },
  },
];

async function run({ form, seed, say }: FaultRun): Promise<FaultResult> {
  const random = seededRandom(seed);
  const rounds = form === 'quick' ? 1 : 40;
  const closers: (() => Promise<void> | void)[] = [];
  try {
    const backend = await startCountingBackend();
    closers.push(() => backend.close());
    const server = await startPostgresServer();
    closers.push(() => server.remove());
    const relay = await startTcpRelay(server.port);
    closers.push(() => relay.close());
    const proxies = await startProxies(backend.origin, relay.port, closers);
    const stop = new AbortController();
    const load = { charged: 0 };
    const loading = runLoad({
      backend,
      ports: () => proxies.map(({ port }) => port),
      clients: 16,
      keys: 1_000_000,
      pacePerSecond: 100,
      seed,
      keyPrefix: `pg-${seed}`,
      stop: stop.signal,
      onEnd: (_key, end) => {
        if (end === 'charged') load.charged += 1;
      },
    });
    try {
      for (let round = 0; round < rounds; round += 1) {
        for (const fault of FAULTS) {
          await pause(300 * random());
          await fault.strike({ server, relay, random });
          // The next one finds a store that works again, and clients in the middle of their requests.
          const before = load.charged;
          await until(
            async () => load.charged - before,
            (charged) => charged >= CHARGES_BETWEEN,
            RECOVERY_MS_MAX,
          );
        }
        if (round % 10 === 9) say(`${round + 1} of ${rounds} rounds`);
      }
    } finally {
      stop.abort();
    }
    const result = await loading;
    await pause(LEASE_MS + SLACK_MS);
    const [row] = await server.command(
      "SELECT count(*)::integer AS held FROM onceward.record WHERE state IN ('claimed', 'dispatched') AND lease_until_us > extract(epoch FROM clock_timestamp()) * 1000000",
    );
    const [version] = await server.command('SHOW server_version');
    return {
      figures: [
        ...FAULTS.map(({ name }) => told(name, rounds)),
        ...loadFigures(result),
        exactly('keys still held a lease and a second after the load', Number(row?.held), 0),
        exactly('proxies that ended', proxies.filter(ended).length, 0),
      ],
      versions: [`postgres ${String(version?.server_version)}`],
    };
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

type Watched = { readonly port: number; readonly life: { state: 'running' | 'ended' } };

function ended({ life }: Watched): boolean {
  return life.state === 'ended';
}

async function startProxies(
  origin: string,
  storePort: number,
  closers: (() => Promise<void> | void)[],
): Promise<readonly Watched[]> {
  const folder = temporaryFolder();
  closers.push(() => folder.remove());
  const config = folder.config({
    ...baseConfig(origin, { url: `postgres://onceward@127.0.0.1:${storePort}/postgres`, deadline: '1s' }),
    secrets: ['a secret of the tests, of at least 32 bytes'],
    defaults: { lease: `${LEASE_MS}ms` },
  });
  const watched: Watched[] = [];
  for (let n = 0; n < 2; n += 1) {
    const proxy: ChildProxy = await startChildProxy(['--config', config]);
    const life: Watched['life'] = { state: 'running' };
    void proxy.ended.then(() => {
      life.state = 'ended';
    });
    closers.push(() => proxy.kill());
    watched.push({ port: proxy.port, life });
  }
  return watched;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

await runAlone(import.meta.url, FAULT);
