import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A hop between a client and a server that can lose answers. */
export type TcpRelay = {
  readonly port: number;
  /** The next bytes of the server are lost, and the connection that awaited them is reset. */
  loseNextAnswer(): Promise<void>;
  /** Resets every connection; the next ones go to another server. */
  moveTo(serverPort: number): void;
  /** Half open: connections stay as they are and nothing comes through any more; new ones work. */
  goSilent(): void;
  close(): Promise<void>;
};

export async function startTcpRelay(serverPort: number): Promise<TcpRelay> {
  const clients = new Set<Socket>();
  const silent = new WeakSet<Socket>();
  let lost: (() => void) | null = null;
  let target = serverPort;
  const listener = createServer((client) => {
    const upstream = connect({ port: target, host: '127.0.0.1' });
    clients.add(client);
    client.on('data', (chunk) => silent.has(client) || upstream.write(chunk));
    upstream.on('data', (chunk) => {
      if (silent.has(client)) return;
      if (lost === null) {
        client.write(chunk);
        return;
      }
      const tell = lost;
      lost = null;
      client.resetAndDestroy();
      tell();
    });
    for (const socket of [client, upstream]) socket.on('error', () => undefined);
    client.on('close', () => {
      clients.delete(client);
      upstream.destroy();
    });
    upstream.on('close', () => client.destroy());
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('the relay has no port');
  return {
    port: address.port,
    loseNextAnswer() {
      return new Promise((resolve) => {
        lost = resolve;
      });
    },
    moveTo(otherPort) {
      target = otherPort;
      for (const client of clients) client.resetAndDestroy();
    },
    goSilent() {
      for (const client of clients) silent.add(client);
    },
    async close() {
      const closed = once(listener, 'close');
      listener.close();
      for (const client of clients) client.destroy();
      await closed;
    },
  };
}
