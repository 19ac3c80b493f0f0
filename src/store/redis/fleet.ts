import { StoreUnavailable, type StoreUnavailableReason } from '../contract.ts';
import type { Address } from './address.ts';
import type { Discovery } from './discovery.ts';
import { createMembers, createRoutes } from './routes.ts';
import type { Errand, ScriptArgument } from './script-runner.ts';
import type { ScriptName } from './scripts.ts';
import type { Server } from './server.ts';
import { Redirected } from './unavailable.ts';

/**
 * The servers of a store, and which of them has a key: one for a standalone Redis and behind Sentinels, one for each
 * range of slots in a cluster. A command is sent to one server; to another only when the first said that it did not
 * execute it (MOVED, ASK). Nothing is sent again for a lost reply.
 */
export type Fleet = {
  /** Finds and connects all. @throws StoreUnavailable, Error: one line that says what to do. */
  open(): Promise<void>;
  /** @throws StoreUnavailable */
  run(
    name: ScriptName,
    key: string,
    arguments_: readonly ScriptArgument[],
    writes: 'usual' | 'durable',
  ): Promise<unknown>;
  /** The primaries, in the order of their addresses. */
  servers(): readonly Server[];
  /** The slots a server has now; null: all of them. */
  slotsOf(address: Address): readonly number[] | null;
  /** What is on its way is answered first. */
  close(): Promise<void>;
  /** At once. */
  abandon(): void;
};

export type FleetOptions = {
  readonly discovery: Discovery;
  /** fixed: never looked for again. */
  readonly layout: 'fixed' | 'found';
  readonly createServer: (address: Address) => Server;
  readonly commandTimeoutMs: number;
  /** How often the servers are looked at and looked for without a cause. */
  readonly checkMs: number;
};

/** A migration or a failover needs one or two; more is a cluster that contradicts itself. */
const REDIRECTIONS_MAX = 5;
const REFRESH_MS_MIN = 100;
/** Facts change rarely, and INFO costs more than the question for the layout. */
const CHECKS_PER_EXAMINATION = 5;

/** After these the layout may be another one. */
const SUSPECT: ReadonlySet<StoreUnavailableReason> = new Set(['connection', 'timeout', 'readonly']);

export function createFleet(options: FleetOptions): Fleet {
  const { discovery, commandTimeoutMs } = options;
  const members = createMembers(options.createServer);
  const routes = createRoutes(members);
  let life: 'opening' | 'open' | 'closed' = 'opening';
  let checks = 0;
  let timer: NodeJS.Timeout | null = null;
  const refreshSoon = coalesced(REFRESH_MS_MIN, async () => {
    if (life !== 'open' || options.layout === 'fixed') return;
    const found = await discovery.find(members.all().map(({ client }) => client));
    if (life === 'open') routes.take(found, 'soon');
  });
  discovery.onChange(refreshSoon);

  /** Where a server says the record is; a new one is given the time that is left to connect. */
  async function follow(from: Server, { to, slot, address }: Redirected, dueMs: number): Promise<Server> {
    refreshSoon();
    if (address === null || options.layout === 'fixed')
      throw new StoreUnavailable('connection', 'redis: the record is on a server that has no address here');
    const server = members.at(address, 'soon');
    if (to === 'moved') routes.learn(slot, server);
    if (server !== from) await server.connected(dueMs);
    return server;
  }

  function ownerOf(key: string): Server {
    const owner = routes.ownerOf(key);
    if (owner !== undefined) return owner;
    refreshSoon();
    throw new StoreUnavailable('connection', 'redis: no server has the slot of the record');
  }

  function check(): void {
    checks += 1;
    if (checks % CHECKS_PER_EXAMINATION === 0)
      for (const server of routes.primaries()) server.examine('told').catch(() => undefined);
    refreshSoon();
    members.retire(routes.primaries());
  }

  function end(): void {
    life = 'closed';
    if (timer !== null) clearInterval(timer);
    discovery.close();
  }

  const ways: Ways = { ownerOf, follow, refreshSoon };
  return {
    async open() {
      routes.take(await discovery.find([]), 'not-yet');
      await Promise.all(routes.primaries().map((server) => server.open()));
      life = 'open';
      timer = setInterval(check, options.checkMs);
      timer.unref();
    },
    run: (name, key, arguments_, writes) =>
      deliver(ways, { name, key, arguments_, writes }, commandTimeoutMs),
    servers: routes.inOrder,
    slotsOf: routes.slotsOf,
    async close() {
      end();
      await Promise.all(members.all().map((server) => server.close()));
    },
    abandon() {
      end();
      for (const server of members.all()) server.abandon();
    },
  };
}

type Ways = {
  readonly ownerOf: (key: string) => Server;
  readonly follow: (from: Server, redirected: Redirected, dueMs: number) => Promise<Server>;
  readonly refreshSoon: () => void;
};

type Script = {
  readonly name: ScriptName;
  readonly key: string;
  readonly arguments_: readonly ScriptArgument[];
  readonly writes: 'usual' | 'durable';
};

async function deliver(ways: Ways, script: Script, timeoutMs: number): Promise<unknown> {
  const { name, key, arguments_, writes } = script;
  const dueMs = performance.now() + timeoutMs;
  let errand: Errand = 'plain';
  let server = ways.ownerOf(key);
  for (let redirections = 0; ; redirections += 1) {
    try {
      return await server.run(name, key, arguments_, dueMs, errand, writes);
    } catch (error) {
      if (!(error instanceof Redirected)) {
        if (error instanceof StoreUnavailable && SUSPECT.has(error.reason)) ways.refreshSoon();
        throw error;
      }
      if (redirections >= REDIRECTIONS_MAX || performance.now() >= dueMs) throw error;
      server = await ways.follow(server, error, dueMs);
      errand = error.to === 'asked' ? 'asked' : 'plain';
    }
  }
}

/** One run at a time, and none sooner than `pauseMs` after the start of the last; calls meanwhile ask for one more. */
function coalesced(pauseMs: number, run: () => Promise<void>): () => void {
  let state: 'idle' | 'running' | 'again' = 'idle';
  async function go(): Promise<void> {
    const startMs = performance.now();
    await run().catch(() => undefined);
    const again = state === 'again';
    const restMs = Math.max(0, startMs + pauseMs - performance.now());
    setTimeout(() => {
      const more = again || state === 'again';
      state = more ? 'running' : 'idle';
      if (more) void go();
    }, restMs).unref();
  }
  return () => {
    if (state === 'idle') {
      state = 'running';
      void go();
    } else state = 'again';
  };
}
