import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** A backend that does what it is told for every arrival, and counts what it executed for each key. */

export type Arrival = {
  /** Without its quotes. */
  readonly key: string;
  readonly request: IncomingMessage;
  readonly body: string;
  /** 1 for the first arrival with this key. */
  readonly arrival: number;
  /** Counts an execution of the key and returns its number over all keys. */
  execute(): number;
  answer(status: number, body: string, headers?: Readonly<Record<string, string>>): void;
  /** Announces the whole body, sends half of it, breaks the connection. */
  truncate(body: string): void;
  /** Breaks the connection. */
  reset(): void;
};

export type CountingBackend = {
  readonly port: number;
  readonly origin: string;
  behave(behaviour: (arrival: Arrival) => void): void;
  executions(key: string): number;
  executionsOfAll(): number;
  keysExecuted(): number;
  arrivals(): number;
  /** Resolves at the first arrival from now on. */
  nextArrival(): Promise<Arrival>;
  close(): Promise<void>;
};

export async function startCountingBackend(
  behaviour: (arrival: Arrival) => void = executeAndAnswer,
  upgrades: 'echoed' | 'ignored' = 'ignored',
): Promise<CountingBackend> {
  const executed = new Map<string, number>();
  const arrived = new Map<string, number>();
  const waiting: ((arrival: Arrival) => void)[] = [];
  let behave = behaviour;
  let total = 0;
  let arrivals = 0;

  function arrive(request: IncomingMessage, response: ServerResponse, body: string): void {
    const key = String(request.headers['idempotency-key'] ?? '').replaceAll('"', '');
    const arrival = (arrived.get(key) ?? 0) + 1;
    arrived.set(key, arrival);
    arrivals += 1;
    const made: Arrival = {
      key,
      request,
      body,
      arrival,
      execute() {
        executed.set(key, (executed.get(key) ?? 0) + 1);
        total += 1;
        return total;
      },
      answer(status, text, headers = {}) {
        response.writeHead(status, {
          'Content-Type': 'application/json',
          'Content-Length': Buffer.byteLength(text),
          ...headers,
        });
        response.end(text);
      },
      truncate(text) {
        response.writeHead(200, {
          'Content-Type': 'application/json',
          'Content-Length': Buffer.byteLength(text),
        });
        response.write(text.slice(0, Math.floor(text.length / 2)), () => request.socket.destroy());
      },
      reset() {
        request.socket.resetAndDestroy();
      },
    };
    behave(made);
    for (const resolve of waiting.splice(0)) resolve(made);
  }

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => arrive(request, response, Buffer.concat(chunks).toString('utf8')));
    request.on('error', () => undefined);
    response.on('error', () => undefined);
  });
  if (upgrades === 'echoed') server.on('upgrade', (_request, socket: Duplex) => echoUpgraded(socket));
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    behave(next) {
      behave = next;
    },
    executions: (key) => executed.get(key) ?? 0,
    executionsOfAll: () => total,
    keysExecuted: () => executed.size,
    arrivals: () => arrivals,
    nextArrival: () => new Promise((resolve) => waiting.push(resolve)),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The number of the execution is part of the answer, so that two executions never look alike. */
export function executeAndAnswer(arrival: Arrival): void {
  const execution = arrival.execute();
  arrival.answer(201, JSON.stringify({ execution, key: arrival.key, body: arrival.body }), {
    'X-Execution': String(execution),
  });
}

/** Accepts as RFC 6455 has it for its own sample nonce, then sends back every byte. */
function echoUpgraded(socket: Duplex): void {
  socket.on('error', () => undefined);
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n',
  );
  socket.pipe(socket);
}
