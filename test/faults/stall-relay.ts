import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { loadScript, type ScriptName } from '../../src/store/redis/scripts.ts';

/** A moment between a proxy and its Redis: a script is on its way there, or has run and its reply is on its way back. */
export type RedisMoment = { readonly script: ScriptName; readonly way: 'there' | 'back' };

/** Stands between a proxy and its Redis and keeps, at one moment, what is on its way. */
export type StallRelay = {
  readonly port: number;
  /** From the next moment of this kind on, keeps it and all that follows it on this way; `caught` runs there and then. */
  keep(moment: RedisMoment, caught: () => void): void;
  /** What was kept goes on, in its order. */
  letGo(): void;
  close(): Promise<void>;
};

type Armed = { readonly sha1: string; readonly way: RedisMoment['way']; readonly caught: () => void };

export async function startStallRelay(redisPort: number): Promise<StallRelay> {
  const sockets = new Set<Socket>();
  let armed: Armed | null = null;
  /** Has the command whose reply is to be kept. */
  let asked: Socket | null = null;
  let goOn: (() => void) | null = null;

  function keepFrom(from: Socket, to: Socket, chunk: Buffer): void {
    const caught = armed?.caught;
    armed = null;
    asked = null;
    from.pause();
    goOn = () => {
      to.write(chunk);
      from.resume();
    };
    caught?.();
  }

  const server = createServer((client) => {
    const redis = connect({ port: redisPort, host: '127.0.0.1' });
    sockets.add(client).add(redis);
    client.on('data', (chunk: Buffer) => {
      const isIt = armed !== null && asked === null && chunk.includes(armed.sha1);
      if (isIt && armed?.way === 'there') {
        keepFrom(client, redis, chunk);
        return;
      }
      if (isIt) asked = redis;
      redis.write(chunk);
    });
    redis.on('data', (chunk: Buffer) => {
      if (asked === redis) keepFrom(redis, client, chunk);
      else client.write(chunk);
    });
    for (const socket of [client, redis]) {
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.delete(socket));
    }
    client.on('close', () => redis.destroy());
    redis.on('close', () => client.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the relay has no port');
  return {
    port: address.port,
    keep({ script, way }, caught) {
      asked = null;
      armed = { sha1: loadScript(script).sha1, way, caught };
    },
    letGo() {
      goOn?.();
      goOn = null;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
