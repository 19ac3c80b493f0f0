import { baseConfig, type ChildProxy, type Folder, startChildProxy, temporaryFolder } from './child-proxy.ts';
import { type Arrival, type CountingBackend, startCountingBackend } from './counting-backend.ts';
import { type Answer, keyed, sendRequest } from './send-request.ts';

/** A backend and one LMDB environment, over which a proxy can be started again and again. */
export type LmdbStage = {
  readonly backend: CountingBackend;
  readonly folder: Folder;
  /** Writes the file that `start` reads, and that a running proxy watches. */
  configure(config?: Record<string, unknown>): string;
  start(config?: Record<string, unknown>): Promise<ChildProxy>;
};

/** `closers` are run in reverse when the test is over. */
export async function lmdbStage(closers: (() => Promise<void> | void)[]): Promise<LmdbStage> {
  const backend = await startCountingBackend();
  closers.push(() => backend.close());
  const folder = temporaryFolder();
  closers.push(() => folder.remove());
  const configure = (config: Record<string, unknown> = {}): string => {
    // A short deadline lets the lease be short, and with it the wait for its end.
    const store = { url: `lmdb:${folder.path}/data`, deadline: '500ms' };
    return folder.config({ ...baseConfig(backend.origin, store), ...config });
  };
  return {
    backend,
    folder,
    configure,
    async start(config) {
      const proxy = await startChildProxy(['--config', configure(config)]);
      closers.push(() => proxy.kill());
      return proxy;
    },
  };
}

/** A request that the backend has executed and not answered. */
export async function inExecution(
  backend: CountingBackend,
  proxy: ChildProxy,
  key: string,
): Promise<{ readonly arrival: Arrival; readonly answer: Promise<Answer> }> {
  backend.behave((arrival) => void arrival.execute());
  const arrived = backend.nextArrival();
  const answer = sendRequest(proxy.port, { headers: keyed(key) });
  answer.catch(() => undefined);
  return { arrival: await arrived, answer };
}

export function finish(arrival: Arrival): void {
  arrival.answer(201, '{"done":true}');
}
