import type { Redis } from 'ioredis';
import { StoreUnavailable } from '../contract.ts';
import type { Address } from './address.ts';
import { type ClientOptions, connect, createClient } from './client.ts';
import { createReplicaWait, type ReplicaWaitSettings } from './replica-wait.ts';
import {
  attempt,
  createScriptRunner,
  type Errand,
  type ScriptArgument,
  type ScriptRunner,
  throwIfOver,
} from './script-runner.ts';
import type { ScriptName } from './scripts.ts';
import type { SecretGuard } from './secret-guard.ts';
import { type Judgement, judgeServer, parseInfo, type ServerFacts, type Topology } from './server-facts.ts';
import { adoptSecret, checkSecret, createTrust, type SecretCheck } from './trust.ts';

/**
 * One Redis server. Scripts run on it only while it belongs to the secret and is what it must be: looked at again on
 * every new connection, behind which may be another server, or the same one without its data.
 */
export type Server = {
  readonly address: Address;
  /** For messages, such as `redis at 10.0.0.1:6379`. */
  readonly where: string;
  readonly client: Redis;
  /** Connects once, at the start. @throws StoreUnavailable with one line that says what to do. */
  open(): Promise<void>;
  /** Begins to connect, and goes on trying. */
  openSoon(): void;
  /** Resolves once it is connected. @throws StoreUnavailable at `dueMs`. */
  connected(dueMs: number): Promise<void>;
  /**
   * durable: replicas have confirmed what the script wrote, where `store.wait` asks for it.
   * @throws StoreUnavailable; Redirected where another server of the cluster has the key.
   */
  run(
    name: ScriptName,
    key: string,
    arguments_: readonly ScriptArgument[],
    dueMs: number,
    errand: Errand,
    writes: 'usual' | 'durable',
  ): Promise<unknown>;
  /** At the start: makes the secret its own. */
  adopt(): Promise<void>;
  /** What its facts are worth now, kept for the claims to come. `told`: says what has changed since the last look. */
  examine(changes: 'told' | 'returned'): Promise<Judgement>;
  /** @throws StoreUnavailable where claims would fail. */
  prove(): Promise<void>;
  /** What is on its way is answered first. */
  close(): Promise<void>;
  /** At once. */
  abandon(): void;
};

export type ServerSettings = {
  readonly client: ClientOptions;
  readonly topology: Topology;
  readonly acceptLoss: 'accept' | 'refuse';
  readonly wait: ReplicaWaitSettings | null;
  readonly guard: SecretGuard;
  readonly warn: (message: string) => void;
};

export type ServerOptions = {
  readonly settings: ServerSettings;
  readonly address: Address;
  readonly where: string;
  /** Names that would prove its data, best first; empty: it holds none. */
  readonly witnesses: () => readonly string[];
};

export function createServer({ settings, address, where, witnesses }: ServerOptions): Server {
  const { guard, wait } = settings;
  const client = createClient(settings.client, address);
  const runner = createScriptRunner(client);
  const waitClient = wait === null ? null : createClient(settings.client, address);
  const waiting =
    wait === null || waitClient === null
      ? null
      : createReplicaWait(waitClient, createScriptRunner(waitClient), wait);
  const examination = createExamination(client, settings, where);
  const through = (connection: Pick<ScriptRunner, 'run'>): SecretCheck => {
    return { where, through: connection, witnesses: witnesses(), within: settings.client };
  };
  const trust = createTrust(client, async () => {
    await Promise.all([checkSecret(guard, 'look', through(runner)), examination.run('told')]);
  });

  return {
    address,
    where,
    client,
    async open() {
      await connect(client, where);
      if (waitClient !== null) await connect(waitClient, where);
    },
    openSoon() {
      for (const each of [client, waitClient]) each?.connect().catch(() => undefined);
    },
    async connected(dueMs) {
      await whenReady(client, dueMs);
      if (waitClient !== null) await whenReady(waitClient, dueMs);
    },
    async run(name, key, arguments_, dueMs, errand, writes) {
      if (trust.state() === 'unverified') {
        await trust.verified();
        throwIfOver(dueMs);
      }
      const unfit = examination.unfit();
      if (name === 'cell-write' && unfit !== null)
        throw new StoreUnavailable('unsafe', `${where} could lose a cell: ${unfit}`, { sent: 'no' });
      const all = name === 'claim' && unfit !== null ? [...arguments_, 'look'] : arguments_;
      const connection = writes === 'durable' && waiting !== null ? waiting : runner;
      return await connection.run(name, key, all, dueMs, errand);
    },
    async adopt() {
      await runner.load();
      await adoptSecret(guard, through(runner));
      trust.gain();
    },
    examine: (changes) => examination.run(changes),
    async prove() {
      try {
        await checkSecret(guard, 'prove', through(waiting ?? runner));
      } catch (error) {
        trust.lose();
        throw error;
      }
      const unfit = examination.unfit();
      if (unfit !== null) throw new StoreUnavailable('unsafe', `${where} takes no new claims: ${unfit}`);
    },
    async close() {
      waitClient?.disconnect();
      await runner.close();
    },
    abandon() {
      waitClient?.disconnect();
      client.disconnect();
    },
  };
}

type Examination = {
  run(changes: 'told' | 'returned'): Promise<Judgement>;
  /** Why it must not be given new claims, or null. */
  unfit(): string | null;
};

/** Says each change once: a warning that is new, a server that was fit and is not, one that became fit again. */
function createExamination(client: Redis, settings: ServerSettings, where: string): Examination {
  let runId: string | null = null;
  let unfit: string | null = null;
  let said: readonly string[] = [];

  function tell(newRunId: string, nowUnfit: string | null, warnings: readonly string[]): void {
    const { warn } = settings;
    if (runId !== null && runId !== newRunId) {
      warn(
        `${where} is another process than before (a restart or a replacement): requests of records it has lost can be executed again`,
      );
    }
    if (nowUnfit !== null && nowUnfit !== unfit) warn(`${where} takes no new claims: ${nowUnfit}`);
    if (nowUnfit === null && unfit !== null) warn(`${where} takes claims again`);
    for (const warning of warnings) if (!said.includes(warning)) warn(`${where}: ${warning}`);
  }

  return {
    async run(changes) {
      const facts = await serverFacts(client);
      const judged = judgeServer(facts, settings.topology, settings.acceptLoss);
      const newRunId = facts.info.get('run_id') ?? '';
      // A replica is not meant: it refuses writes itself, is left for the new primary, and replays until then.
      const nowUnfit = judged.faults.length === 0 ? null : judged.faults.join('; ');
      if (changes === 'told') tell(newRunId, nowUnfit, judged.warnings);
      runId = newRunId;
      unfit = nowUnfit;
      said = judged.warnings;
      return judged;
    },
    unfit: () => unfit,
  };
}

async function serverFacts(client: Redis): Promise<ServerFacts> {
  const [info, config] = await Promise.all([
    attempt(() => client.info()),
    // Not every hosted server lets it be asked.
    client.config('GET', 'appendfsync').catch(() => null),
  ]);
  const appendfsync = Array.isArray(config) && typeof config[1] === 'string' ? config[1] : null;
  return { info: parseInfo(info), appendfsync };
}

function whenReady(client: Redis, dueMs: number): Promise<void> {
  if (client.status === 'ready') return Promise.resolve();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => {
        client.off('ready', ready);
        reject(new StoreUnavailable('connection', 'no connection to redis: not within the time limit'));
      },
      Math.max(0, dueMs - performance.now()),
    );
    const ready = (): void => {
      clearTimeout(timer);
      resolve();
    };
    client.once('ready', ready);
  });
}
