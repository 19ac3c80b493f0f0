import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { loadScript } from '../../src/store/redis/scripts.ts';

/**
 * Where a proxy dies (faults 1 to 5). The relay stands between it and its backend, or its Redis, sees the bytes of the
 * moment, and calls the killer there and then.
 */
export const BACKEND_POINTS = [
  'sent-not-arrived',
  'acted-not-answered',
  'while-answering',
  'while-committing',
] as const;
export type BackendPoint = (typeof BACKEND_POINTS)[number];

/** Between claim and dispatch mark: the script that sets the mark is on its way to Redis and does not arrive. */
export type RedisPoint = 'before-dispatch-mark';

export type KillRelay = {
  readonly port: number;
  /** Waits for the next moment of this kind and kills. Resolves with the key it caught; from Redis the record key. */
  arm(point: BackendPoint | RedisPoint, kill: () => void): Promise<string>;
  close(): Promise<void>;
};

/** The proxy needs a moment to read what was sent to it before it dies. */
const READ_MS = 3;

type Armed = {
  readonly point: BackendPoint | RedisPoint;
  readonly kill: () => void;
  readonly caught: (key: string) => void;
};

export async function startKillRelay(serverPort: number, random: () => number): Promise<KillRelay> {
  const sockets = new Set<Socket>();
  const mark = loadScript('dispatch').sha1;
  let armed: Armed | null = null;
  let idle = true;

  function take(point: Armed['point'], key: string): Armed | null {
    if (armed?.point !== point) return null;
    const taken = armed;
    armed = null;
    taken.caught(key);
    return taken;
  }

  const server = createServer((client) => {
    const upstream = connect({ port: serverPort, host: '127.0.0.1' });
    sockets.add(client).add(upstream);
    let key = '';
    client.on('data', (chunk: Buffer) => {
      key = keyOf(chunk) ?? key;
      const held =
        take('sent-not-arrived', key) ??
        (chunk.includes(mark) ? take('before-dispatch-mark', recordKeyOf(chunk, mark)) : null);
      if (held === null) upstream.write(chunk);
      else held.kill();
    });
    upstream.on('data', (chunk: Buffer) => answered(client, chunk, key));
    for (const socket of [client, upstream]) {
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.delete(socket));
    }
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  });

  function answered(client: Socket, chunk: Buffer, key: string): void {
    const unanswered = take('acted-not-answered', key);
    if (unanswered !== null) {
      unanswered.kill();
      return;
    }
    const streaming = take('while-answering', key);
    if (streaming !== null) {
      // All but the last byte: the proxy has passed on what it could, and cannot know the end.
      client.write(chunk.subarray(0, -1));
      setTimeout(streaming.kill, READ_MS);
      return;
    }
    client.write(chunk);
    const committing = take('while-committing', key);
    if (committing !== null) setTimeout(committing.kill, random() * READ_MS);
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the relay has no port');
  return {
    port: address.port,
    arm(point, kill) {
      return new Promise((caught) => {
        armed = { point, kill, caught };
      });
    },
    async close() {
      if (!idle) return;
      idle = false;
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** The first name after the script's: commands of several requests may come together. */
function recordKeyOf(chunk: Buffer, mark: string): string {
  const after = chunk.toString('latin1').split(mark)[1] ?? '';
  return /\{([\w-]+)\}/.exec(after)?.[1] ?? '';
}

function keyOf(chunk: Buffer): string | null {
  return /idempotency-key: *"?([^"\r\n]+)/i.exec(chunk.toString('latin1'))?.[1] ?? null;
}
