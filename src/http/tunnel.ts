import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import type { RequestHead } from '../core/wire.ts';
import { connectionOptions, serverNameOf, type UpstreamTls } from './upstream-tls.ts';

/** WebSocket and every other upgrade, passed through byte for byte on routes where nothing is keyed. */
export type Tunnel = {
  /** Takes the socket over. `ended` runs once, with the upstream's status, 0 when there was none. */
  open(
    head: RequestHead,
    rawHeaders: readonly string[],
    socket: Duplex,
    firstBytes: Buffer,
    ended: (status: number) => void,
  ): void;
  /** Tunnels open now. */
  count(): number;
  destroyAll(): void;
};

export type TunnelOptions = {
  readonly origin: string;
  /** With https. */
  readonly tls: () => UpstreamTls | null;
  /** From the request to the answer of the upstream. */
  readonly upgradeMs: number;
  /** The raw answer for a client whose tunnel could not be opened. */
  readonly unreachable: (message: string) => Uint8Array;
};

export function createTunnel(options: TunnelOptions): Tunnel {
  const url = new URL(options.origin);
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const sockets = new Set<Duplex>();
  return {
    open(head, rawHeaders, socket, firstBytes, ended) {
      sockets.add(socket);
      const outgoing = send({
        hostname: url.hostname.replace(/^\[|\]$/g, ''),
        port: url.port === '' ? undefined : url.port,
        method: head.method,
        path: head.target,
        headers: rawHeaders,
        agent: false,
        setHost: false,
        timeout: options.upgradeMs,
        ...secured(options),
      });
      const over = once((status: number) => {
        sockets.delete(socket);
        ended(status);
      });
      connect(outgoing, socket, firstBytes, options, over);
      outgoing.end();
    },
    count() {
      return sockets.size;
    },
    destroyAll() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function secured({ origin, tls }: TunnelOptions): RequestOptions {
  if (!origin.startsWith('https:')) return {};
  const current = tls();
  return { ...connectionOptions(current), servername: serverNameOf(origin, current) };
}

function connect(
  outgoing: ClientRequest,
  socket: Duplex,
  firstBytes: Buffer,
  options: TunnelOptions,
  over: (status: number) => void,
): void {
  let status = 0;
  const fail = (message: string): void => {
    outgoing.destroy();
    if (status === 0 && !socket.destroyed) socket.end(options.unreachable(message), () => socket.destroy());
    else socket.destroy();
    over(status);
  };
  socket.once('close', () => {
    outgoing.destroy();
    over(status);
  });
  outgoing.once('timeout', () => fail('no answer to the upgrade in time'));
  outgoing.on('error', (error) => fail(error.message));
  outgoing.once('response', (response) => {
    // The upstream declined: its answer goes back, and the connection with it.
    status = response.statusCode ?? 502;
    socket.write(responseHead(response, 'close'));
    response.pipe(socket, { end: false });
    response.once('end', () => endSoon(socket));
    response.once('error', () => socket.destroy());
  });
  outgoing.once('upgrade', (response, upstreamSocket, upstreamFirstBytes) => {
    status = response.statusCode ?? 101;
    outgoing.setTimeout(0);
    upstreamSocket.setTimeout(0);
    socket.write(responseHead(response, 'keep'));
    if (upstreamFirstBytes.length > 0) socket.write(upstreamFirstBytes);
    if (firstBytes.length > 0) upstreamSocket.write(firstBytes);
    upstreamSocket.on('error', () => socket.destroy());
    upstreamSocket.once('close', () => socket.destroy());
    socket.once('close', () => upstreamSocket.destroy());
    upstreamSocket.pipe(socket);
    socket.pipe(upstreamSocket);
  });
}

/** A half-open socket of a client that never closes would stay for ever. */
function endSoon(socket: Duplex): void {
  socket.end(() => socket.destroy());
}

/** The framing of a declined upgrade is undone by node:http, so its body ends with the connection. */
function responseHead(response: IncomingMessage, connection: 'keep' | 'close'): string {
  let text = `HTTP/1.1 ${response.statusCode ?? 502} ${response.statusMessage ?? ''}\r\n`;
  for (let i = 0; i < response.rawHeaders.length; i += 2) {
    const lower = (response.rawHeaders[i] ?? '').toLowerCase();
    if (
      connection === 'close' &&
      (lower === 'connection' || lower === 'transfer-encoding' || lower === 'keep-alive')
    )
      continue;
    text += `${response.rawHeaders[i]}: ${response.rawHeaders[i + 1]}\r\n`;
  }
  return connection === 'close' ? `${text}Connection: close\r\n\r\n` : `${text}\r\n`;
}

function once(run: (status: number) => void): (status: number) => void {
  let done = false;
  return (status) => {
    if (done) return;
    done = true;
    run(status);
  };
}
