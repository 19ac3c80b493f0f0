import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { ChildProxy } from '../support/child-proxy.ts';
import { type SharedStore, startTwoProxies, type TwoProxies } from '../support/two-proxies.ts';
import { until } from '../support/until.ts';

/** `profile: mcp`, with a server and a client of the SDK as it is installed: the id of every call is another. */

type Server = {
  readonly origin: string;
  readonly executions: () => number;
  /** Runs inside every execution, before its answer. */
  hold(wait: () => Promise<void>): void;
  close(): Promise<void>;
};

/** A server without sessions, as any replica could be; below `/json` it answers in JSON, else in streams of events. */
async function startServer(): Promise<Server> {
  let executions = 0;
  let wait = (): Promise<void> => Promise.resolve();
  const pay = async ({ amount }: { amount: number }) => {
    executions += 1;
    const execution = executions;
    await wait();
    return { content: [{ type: 'text' as const, text: `paid ${amount}, execution ${execution}` }] };
  };
  const server = createServer((request, response) => {
    const mcp = new McpServer({ name: 'payments', version: '1.0.0' });
    mcp.registerTool('pay', { inputSchema: { amount: z.number() } }, pay);
    const transport = new StreamableHTTPServerTransport({
      enableJsonResponse: request.url === '/json',
    });
    response.on('close', () => void mcp.close());
    void mcp.connect(transport).then(() => transport.handleRequest(request, response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // An address of a TCP server.
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    executions: () => executions,
    hold(next) {
      wait = next;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

type Stage = TwoProxies & { readonly server: Server };

async function stage(store: SharedStore): Promise<Stage> {
  const server = await startServer();
  const proxies = await startTwoProxies(store, server.origin, [{ name: 'mcp', profile: 'mcp' }]);
  return {
    ...proxies,
    server,
    async close() {
      await proxies.close();
      await server.close();
    },
  };
}

async function connect({ port }: ChildProxy, answers: 'json' | 'stream' = 'stream'): Promise<Client> {
  const client = new Client({ name: 'agent', version: '1.0.0' });
  await client.connect(new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${port}/${answers}`)));
  return client;
}

/** The text of the result; the client takes none that has not the id of its call. */
async function pay(client: Client, idempotencyKey: string | null, amount = 5): Promise<string> {
  const result = await client.callTool({
    name: 'pay',
    arguments: { amount },
    ...(idempotencyKey === null ? {} : { _meta: { idempotencyKey } }),
  });
  return JSON.stringify(result.content);
}

async function messageOf(paid: Promise<string>): Promise<string> {
  return await paid.then(
    (text) => `no error, but ${text}`,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}

describe.each(['lmdb', 'redis'] as const)('an agent at two proxies on %s', (store) => {
  let at: Stage;

  beforeAll(async () => {
    at = await stage(store);
  });

  afterAll(() => at.close());

  it.each(['json', 'stream'] as const)(
    'calls a tool once a key, and gets the result under the id of each call, in %s',
    async (answers) => {
      const { one, other, server } = at;
      const executed = server.executions();
      const [here, there] = [await connect(one, answers), await connect(other, answers)];
      await here.listTools();

      const first = await pay(here, answers);
      const again = [await pay(here, answers), await pay(there, answers)];
      const without = [await pay(here, null), await pay(here, null)];

      expect(first).toContain(`execution ${executed + 1}`);
      expect(again).toEqual([first, first]);
      expect(new Set([first, ...without]).size).toBe(3);
      expect(await messageOf(pay(there, answers, 6))).toContain('"code":"key-reused"');
      expect(server.executions()).toBe(executed + 3);
    },
  );

  it('of two contenders both get the result of one execution', async () => {
    const { one, other, server } = at;
    const executed = server.executions();
    const [here, there] = [await connect(one), await connect(other)];
    const gate = Promise.withResolvers<void>();
    server.hold(() => gate.promise);

    const first = pay(here, 'k2');
    await until('it is executed', () => Promise.resolve(server.executions() === executed + 1 ? true : null));
    const second = pay(there, 'k2');
    gate.resolve();

    expect(await second).toBe(await first);
    expect(server.executions()).toBe(executed + 1);
  });

  // Last: it leaves one proxy alone.
  it('whose call was under way in a proxy that is killed learns that the outcome is unknown', async () => {
    const { one, other, server } = at;
    const executed = server.executions();
    const [here, there] = [await connect(one, 'json'), await connect(other, 'json')];
    server.hold(() => new Promise(() => undefined));
    const first = messageOf(pay(here, 'k3'));
    await until('it is executed', () => Promise.resolve(server.executions() === executed + 1 ? true : null));
    await one.kill();

    const message = await until('the lease is over', async () => {
      const told = await messageOf(pay(there, 'k3'));
      return told.includes('"code":"in-flight"') ? null : told;
    });

    expect(message).toContain('"code":"outcome-unknown"');
    expect(message).toContain('"executed":"unknown"');
    expect(await first).not.toContain('no error');
    expect(server.executions()).toBe(executed + 1);
  });
});
