import { baseConfig, type ChildProxy, startChildProxy, temporaryFolder } from './child-proxy.ts';
import { startRedisServer } from './redis-server.ts';

/** Two proxies as processes of their own before one backend, with one store between them. */

export type TwoProxies = {
  readonly one: ChildProxy;
  readonly other: ChildProxy;
  close(): Promise<void>;
};

export type SharedStore = 'lmdb' | 'redis';

/** A lease that is soon over, and a deadline that fits it: for tests that kill a holder. */
export async function startTwoProxies(
  store: SharedStore,
  backendOrigin: string,
  routes: readonly object[],
): Promise<TwoProxies> {
  const folder = temporaryFolder();
  const server = store === 'redis' ? await startRedisServer() : null;
  const url = server?.url ?? `lmdb:${folder.path}/store`;
  const file = folder.config({
    ...baseConfig(backendOrigin, { url, deadline: '300ms' }),
    ...(server === null ? {} : { secrets: ['0123456789abcdef0123456789abcdef'] }),
    defaults: { lease: '1s' },
    routes,
  });
  const start = (): Promise<ChildProxy> => startChildProxy(['--config', file]);
  const [one, other] = [await start(), await start()];
  return {
    one,
    other,
    async close() {
      await Promise.all([one.kill(), other.kill()]);
      await server?.remove();
      folder.remove();
    },
  };
}
