import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { unreachable } from '../core/unreachable.ts';
import { describeListenError, type ListenField } from '../http/listen-error.ts';
import {
  type AdminReply,
  type AdminRoute,
  chooseRoute,
  problemReply,
  type RouteChoice,
} from './route-table.ts';

export type SmallServer = {
  /** As bound: port 0 has become a real one. */
  readonly address: { readonly host: string; readonly port: number };
  /** Stops accepting, lets answers under way end for a moment, then closes every connection. */
  close(): Promise<void>;
};

export type SmallServerOptions = {
  readonly what: ListenField;
  readonly listen: { readonly host: string; readonly port: number };
  readonly routes: readonly AdminRoute[];
  /** Null lets the request in. */
  readonly refuse: (request: IncomingMessage) => AdminReply | null;
  /** A handler threw: a defect, answered 500. */
  readonly onError: (error: unknown) => void;
};

const CONNECTIONS_MAX = 100;
const HEAD_BYTES_MAX = 8 * 1_024;
const HEAD_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
const IDLE_MS = 30_000;
const CLOSE_MS = 1_000;

/** A server for probes, scrapes and operators, with limits of its own. Rejects with one line when it cannot listen. */
export function startSmallServer(options: SmallServerOptions): Promise<SmallServer> {
  const { host, port } = options.listen;
  const server = createServer(
    {
      maxHeaderSize: HEAD_BYTES_MAX,
      headersTimeout: HEAD_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: 1_000,
      keepAliveTimeout: IDLE_MS,
    },
    (request, response) => {
      answer(options, request, response).catch((error: unknown) => {
        options.onError(error);
        response.destroy();
      });
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  server.on('upgrade', (_request, socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(describeListenError(error, options.what, `${host}:${port}`)));
    server.listen(port, host, () => {
      // Later errors are of accept, such as too many open files: without a listener they would end the process.
      server.on('error', options.onError);
      const bound = server.address();
      const boundPort = typeof bound === 'object' && bound !== null ? bound.port : port;
      resolve({ address: { host, port: boundPort }, close: () => close(server) });
    });
  });
}

async function answer(
  options: SmallServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const refused = options.refuse(request);
  if (refused !== null) {
    send(request, response, refused, null);
    return;
  }
  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  const choice = chooseRoute(options.routes, request.method ?? '', path);
  switch (choice.kind) {
    case 'not-found': {
      const known = options.routes.map((route) => `${route.method} ${route.path}`).join(', ');
      send(request, response, problemReply(404, 'Not found', `There are only: ${known}.`), null);
      return;
    }
    case 'method-not-allowed':
      send(
        request,
        response,
        problemReply(405, 'Method not allowed', `Send ${choice.allow} to this path.`),
        choice.allow,
      );
      return;
    case 'route':
      send(request, response, await handled(options, choice, request, query), null);
      return;
    default:
      unreachable(choice);
  }
}

async function handled(
  options: SmallServerOptions,
  { route, parameters }: Extract<RouteChoice, { kind: 'route' }>,
  request: IncomingMessage,
  query: string,
): Promise<AdminReply> {
  try {
    const { accept, authorization } = request.headers;
    const head = { accept, authorization, query: new URLSearchParams(query), parameters };
    const refused = route.admit?.(head) ?? null;
    if (refused !== null) return refused;
    const bytesMax = route.bodyBytesMax ?? 0;
    const body = bytesMax === 0 ? NO_BODY : await readBody(request, bytesMax);
    if (body === null)
      return problemReply(413, 'Content too large', `A body here has at most ${bytesMax} bytes.`);
    return await route.handle({ ...head, body });
  } catch (error) {
    options.onError(error);
    return problemReply(500, 'Internal error', 'This request met a defect; the log has the details.');
  }
}

const NO_BODY = new Uint8Array(0);

/** Null: too large; the rest is not read. The server's own time-out bounds how long it may take. */
async function readBody(request: IncomingMessage, bytesMax: number): Promise<Uint8Array | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length;
    if (bytes > bytesMax) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  reply: AdminReply,
  allow: string | null,
): void {
  const body = Buffer.from(reply.body);
  response.writeHead(reply.status, {
    'Content-Type': reply.contentType,
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...reply.headers,
    ...(allow === null ? {} : { Allow: allow }),
    // A body nobody reads must not be taken for the next request.
    ...(hasBody(request) ? { Connection: 'close' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function hasBody(request: IncomingMessage): boolean {
  const length = request.headers['content-length'];
  return request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const hard = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
    server.close(() => {
      clearTimeout(hard);
      resolve();
    });
    server.closeIdleConnections();
  });
}
