import { baseConfig, type ChildProxy, startChildProxy, temporaryFolder } from './child-proxy.ts';
import { startRedisServer } from './redis-server.ts';

/** Proxies as processes of their own before one backend, with one configuration and one store between them. */

export type SharedStore = 'lmdb' | 'redis';

export type ProxyStage = {
  start(): Promise<ChildProxy>;
  /** Kills all that were started, and removes what they left. */
  close(): Promise<void>;
};

export type ProxyStageOptions = {
  readonly backendOrigin: string;
  /** Fields of `store` besides its URL. */
  readonly store?: Readonly<Record<string, unknown>>;
  /** Further sections. */
  readonly sections: Readonly<Record<string, unknown>>;
};

const SECRET = '0123456789abcdef0123456789abcdef';

export async function stageProxies(
  kind: SharedStore,
  { backendOrigin, store = {}, sections }: ProxyStageOptions,
): Promise<ProxyStage> {
  const folder = temporaryFolder();
  const server = kind === 'redis' ? await startRedisServer() : null;
  const file = folder.config({
    ...baseConfig(backendOrigin, { url: server?.url ?? `lmdb:${folder.path}/store`, ...store }),
    ...(server === null ? {} : { secrets: [SECRET] }),
    ...sections,
  });
  const started: ChildProxy[] = [];
  return {
    async start() {
      const proxy = await startChildProxy(['--config', file]);
      started.push(proxy);
      return proxy;
    },
    async close() {
      await Promise.all(started.map((proxy) => proxy.kill()));
      await server?.remove();
      folder.remove();
    },
  };
}

export type TwoProxies = {
  readonly one: ChildProxy;
  readonly other: ChildProxy;
  close(): Promise<void>;
};

/** A lease that is soon over, and a deadline that fits it: for tests that kill a holder. */
export async function startTwoProxies(
  kind: SharedStore,
  backendOrigin: string,
  routes: readonly object[],
): Promise<TwoProxies> {
  const { start, close } = await stageProxies(kind, {
    backendOrigin,
    store: { deadline: '300ms' },
    sections: { defaults: { lease: '1s' }, routes },
  });
  return { one: await start(), other: await start(), close };
}
