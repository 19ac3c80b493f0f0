import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A network that loses every other answer: the request arrives, the connection breaks when the answer is on its way. */
export type LossyHop = { readonly port: number; close(): Promise<void> };

export async function startLossyHop(targetPort: number, losses: 'every-other' | 'none'): Promise<LossyHop> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((client) => {
    connections += 1;
    const loses = losses === 'every-other' && connections % 2 === 1;
    const target = connect(targetPort, '127.0.0.1');
    for (const socket of [client, target]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => sockets.delete(socket));
    }
    client.pipe(target);
    target.on('data', (answer) => {
      if (loses) client.destroy();
      else client.write(answer);
    });
    target.on('end', () => client.end());
    // The far side is left to finish: it must not learn that its answer was lost.
    client.on('close', () => {
      if (!loses) target.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    // A server that listens on TCP has an AddressInfo.
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
