import { readFile } from 'node:fs/promises';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';
import { type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import type { Stage } from './play-case.ts';

/** The proxy in this process with policies.yaml, and its upstream. */

export type OpenStage = Stage & {
  readonly upstream: ScriptedUpstream;
  readonly app: TestProxy;
  close(): Promise<void>;
};

const POLICIES = new URL('policies.yaml', import.meta.url);

/** `store`: a store URL, as in the configuration. */
export async function openStage(store: string): Promise<OpenStage> {
  const upstream = await startScriptedUpstream();
  const app = await startProxyWith(await readFile(POLICIES, 'utf8'), {
    ONCEWARD_CONFORMANCE_LISTEN: '127.0.0.1:0',
    ONCEWARD_CONFORMANCE_UPSTREAM: `http://127.0.0.1:${upstream.port}`,
    ONCEWARD_CONFORMANCE_STORE: store,
  });
  return {
    proxy: { host: '127.0.0.1', port: app.port },
    upstream,
    run: '1',
    app,
    close: async () => {
      await app.close();
      await upstream.close();
    },
  };
}
