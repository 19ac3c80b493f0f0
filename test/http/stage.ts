import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { type ProxyOptions, startProxy, type TestProxy } from '../support/proxy.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';
import { type Play, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';

/** What a test opens, and closes in the opposite order. */

export type Stage = {
  scripted(): Promise<ScriptedUpstream>;
  /** A backend of which the test has the bare sockets; its port. */
  sink(onSocket: (socket: Socket) => void): Promise<number>;
  proxyTo(upstreamPort: number, options?: Omit<ProxyOptions, 'upstreamPort'>): Promise<TestProxy>;
  client(proxy: TestProxy): Promise<RawClient>;
  atEnd(close: () => Promise<unknown>): void;
  close(): Promise<void>;
};

export function createStage(): Stage {
  const closers: (() => Promise<unknown>)[] = [];
  return {
    async scripted() {
      const upstream = await startScriptedUpstream();
      closers.push(() => upstream.close());
      return upstream;
    },
    async sink(onSocket) {
      const sockets = new Set<Socket>();
      const server = createServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => undefined);
        onSocket(socket);
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      closers.push(async () => {
        for (const socket of sockets) socket.destroy();
        server.close();
        await once(server, 'close');
      });
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('no port');
      return address.port;
    },
    async proxyTo(upstreamPort, options = {}) {
      const proxy = await startProxy({ upstreamPort, top: 'drain: { timeout: 0s }', ...options });
      closers.push(() => proxy.close());
      return proxy;
    },
    async client(proxy) {
      const client = await connectRaw(proxy.port);
      closers.push(async () => client.socket.destroy());
      return client;
    },
    atEnd: (close) => void closers.push(close),
    async close() {
      for (const close of closers.splice(0).reverse()) await close();
    },
  };
}

/** A play that answers 200 with the body, after what comes before. */
export function says(body: string, ...before: Play): Play {
  return [
    ...before,
    { kind: 'bytes', bytes: `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}` },
  ];
}

export function codeOf(body: Buffer): unknown {
  return JSON.parse(body.toString()).code;
}

const CHUNK = Buffer.alloc(64 * 1024, 'b');

/** Answers 200 with that many bytes and a last word, as fast as they are taken. */
export function answerLarge(socket: Socket, bytes: number, last = ''): void {
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes + last.length}\r\n\r\n`);
  let left = bytes;
  const pump = (): void => {
    while (left > 0 && !socket.destroyed) {
      const part = left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK;
      left -= part.length;
      if (!socket.write(part)) {
        socket.once('drain', pump);
        return;
      }
    }
    socket.write(last);
  };
  pump();
}
