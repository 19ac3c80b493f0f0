import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { type FramePeer, framePeer } from './h2-frames.ts';

/** Gets each connection, with the number it has. */
export type PlayedBackend = (peer: FramePeer, connection: number) => Promise<void>;

/** A backend that is played frame by frame; its port. */
export async function playH2Backend(
  play: PlayedBackend,
  closers: (() => Promise<unknown>)[],
): Promise<number> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    connections += 1;
    play(framePeer(socket, 'client'), connections).catch(() => socket.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
