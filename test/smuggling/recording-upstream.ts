import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { parseRequest, type StrictRequest } from './strict-http.ts';

/** A backend that keeps every byte of every connection and answers what a strict parser finds in them. */

export type Recorded = {
  readonly requests: readonly StrictRequest[];
  /** What was on the wire and is no request. */
  readonly faults: readonly string[];
};

export type RecordingUpstream = {
  readonly port: number;
  /** Of all connections since the last look. */
  take(): Recorded;
  close(): Promise<void>;
};

/** `answer`: the bytes for a request; null breaks the connection. */
export async function startRecordingUpstream(
  answer: (request: StrictRequest) => Uint8Array | null = echo,
): Promise<RecordingUpstream> {
  let requests: StrictRequest[] = [];
  let faults: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    let rest: Buffer = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        if (rest.length === 0) return;
        const parsed = parseRequest(rest);
        if (parsed.kind === 'incomplete') return;
        if (parsed.kind === 'malformed') {
          faults.push(`${parsed.why} in ${JSON.stringify(rest.toString('latin1').slice(0, 300))}`);
          socket.destroy();
          return;
        }
        rest = rest.subarray(parsed.bytes);
        requests.push(parsed.message);
        // The proxy never pipelines: bytes behind a request are no other request of its own.
        if (rest.length > 0)
          faults.push(`behind a request ${JSON.stringify(rest.toString('latin1').slice(0, 300))}`);
        const bytes = answer(parsed.message);
        if (bytes === null) socket.destroy();
        else socket.write(bytes);
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    take() {
      const taken = { requests, faults };
      requests = [];
      faults = [];
      return taken;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function echo({ method, target }: StrictRequest): Buffer {
  const body = method === 'HEAD' ? '' : `${method} ${target}`;
  return Buffer.from(
    `HTTP/1.1 200 OK\r\nX-Backend: yes\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    'latin1',
  );
}
