import { buildConnector, Client, type Dispatcher } from 'undici';
import type { ExchangeEnd, FailureCause } from '../core/settle.ts';
import { allValues, type RawHeaders } from '../core/wire.ts';
import { Connections, type Slot } from './connections.ts';
import type { Exchange, ExchangeSink, OutgoingBody, OutgoingRequest, Upstream } from './seam.ts';
import { codeOf, messageOf, neverDispatchedCause } from './upstream-errors.ts';
import { connectionOptions, serverNameOf, type UpstreamTls } from './upstream-tls.ts';

/**
 * The upstream over undici's `dispatch`. No interceptor: a retry, a cache or a redirect behind our back would be
 * a second execution. No HTTP/2: undici sends a refused stream again by itself. All time limits but the connect one
 * are the caller's.
 */

/** An idle connection is closed before a backend with the usual five seconds would close it under a request. */
const IDLE_MS = 4_000;

export type UpstreamOptions = {
  /** scheme://host:port */
  readonly origin: string;
  readonly connectMs: number;
  /** Requests at the backend at once. */
  readonly connectionsMax: number;
  /** A request that found no connection free within this time is given up as never dispatched. */
  readonly queueMs: number;
  /** Of connections, for keyed requests; recent unless given. */
  readonly reuse?: 'recent' | 'never';
  /** With https; asked for each connection, since certificates change while the process runs. */
  readonly tls: () => UpstreamTls | null;
};

export function createUpstream(options: UpstreamOptions): Upstream {
  const connectorOf = createConnectors(options);
  const connections = new Connections<UndiciExchange>({
    connectionsMax: options.connectionsMax,
    keyedReuse: options.reuse ?? 'recent',
    nowMs: () => performance.now(),
    createClient: (slot) =>
      new Client(options.origin, {
        pipelining: 1,
        headersTimeout: 0,
        bodyTimeout: 0,
        maxHeaderSize: 64 * 1024,
        keepAliveTimeout: IDLE_MS,
        keepAliveMaxTimeout: IDLE_MS,
        allowH2: false,
        connect: (target, connected) =>
          connectorOf()(
            { ...target, servername: serverNameOf(options.origin, options.tls()) },
            (...result) => {
              // Before undici's own listener: it takes a reset for the end of a response that is closed by its end.
              slot.connection = 'sound';
              result[1]?.once('error', () => {
                slot.connection = 'broken';
              });
              connected(...result);
            },
          ),
      }),
  });
  const { host, hostname } = new URL(options.origin);
  return {
    origin: options.origin,
    authority: host,
    start(request, sink) {
      const exchange = new UndiciExchange(connections, request, sink, hostname);
      const slot = connections.take(request.sockets);
      if (slot === null) exchange.queue(options.queueMs);
      else exchange.run(slot);
      return exchange;
    },
    async close() {
      await connections.close();
    },
  };
}

/** A connector keeps sessions of TLS and the certificates they began with: new certificates need a new one. */
function createConnectors({ connectMs, tls }: UpstreamOptions): () => ReturnType<typeof buildConnector> {
  let of: UpstreamTls | null = null;
  let connector: ReturnType<typeof buildConnector> | null = null;
  return () => {
    const current = tls();
    if (connector !== null && current === of) return connector;
    of = current;
    connector = buildConnector({
      ...connectionOptions(current),
      timeout: connectMs,
      allowH2: false,
      maxCachedSessions: 0,
    });
    return connector;
  };
}

class UndiciExchange implements Exchange, Dispatcher.DispatchHandler {
  readonly #connections: Connections<UndiciExchange>;
  readonly #request: OutgoingRequest;
  readonly #sink: ExchangeSink;
  readonly #serverName: string;
  #slot: Slot | null = null;
  #controller: Dispatcher.DispatchController | null = null;
  /** over: the sink knows the end; undici may still hold the slot until it calls back. */
  #phase: 'waiting' | 'dispatched' | 'over' = 'waiting';
  #status = 0;
  #end: 'proven' | 'unproven' = 'unproven';
  #destroyedAs: ExchangeEnd | null = null;
  #queueTimer: NodeJS.Timeout | null = null;

  constructor(
    connections: Connections<UndiciExchange>,
    request: OutgoingRequest,
    sink: ExchangeSink,
    serverName: string,
  ) {
    this.#serverName = serverName;
    this.#connections = connections;
    this.#request = request;
    this.#sink = sink;
  }

  get sockets(): OutgoingRequest['sockets'] {
    return this.#request.sockets;
  }

  queue(queueMs: number): void {
    this.#connections.wait(this);
    this.#queueTimer = setTimeout(() => {
      this.#over({
        kind: 'never-dispatched',
        cause: 'queue-timeout',
        message: `no connection free within ${queueMs} ms`,
      });
    }, queueMs);
  }

  run(slot: Slot): void {
    this.#clearQueueTimer();
    this.#slot = slot;
    const options = {
      path: this.#request.target,
      method: this.#request.method,
      headers: this.#request.rawHeaders,
      body: this.#body(this.#request.body),
      // Without one undici takes that of the Host field, and connects anew for another. What is verified, the connector says.
      servername: this.#serverName,
    };
    try {
      // undici's types want a Readable; the library takes any async iterable (core/request.js, isIterable).
      slot.client.dispatch(options as unknown as Dispatcher.DispatchOptions, this);
    } catch (error) {
      this.#over({ kind: 'never-dispatched', cause: 'connect', message: messageOf(error) });
      this.#giveSlot();
    }
  }

  #body(body: OutgoingBody): Uint8Array | AsyncIterable<Uint8Array> | null {
    if (body.kind === 'stream') return body.open(() => this.#sink.uploaded());
    return body.kind === 'bytes' && body.bytes.byteLength > 0 ? body.bytes : null;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#phase === 'dispatched') {
      // Whatever the library's reason may be, a request leaves once.
      controller.abort(new Error('a second dispatch'));
      return;
    }
    if (this.#phase === 'over') {
      controller.abort(new Error('given up before dispatch'));
      return;
    }
    if (this.#sink.dispatching() === 'stop') {
      this.#over({ kind: 'never-dispatched', cause: 'lease-too-short', message: 'stopped before dispatch' });
      controller.abort(new Error('stopped before dispatch'));
      return;
    }
    this.#phase = 'dispatched';
  }

  onRequestSent(): void {
    if (this.#phase === 'dispatched') this.#sink.sent();
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (this.#phase === 'over') return;
    const rawHeaders = decodeHeaders(controller.rawHeaders);
    if (status < 200) {
      this.#sink.informational({ status, rawHeaders });
      return;
    }
    const codings = allValues(rawHeaders, 'transfer-encoding');
    if (codings.length > 1 || (codings[0] !== undefined && codings[0].trim().toLowerCase() !== 'chunked')) {
      // Another coding would be taken off the head and left on the body.
      this.destroy({ kind: 'failed', cause: 'bad-framing', message: 'a transfer coding other than chunked' });
      return;
    }
    this.#status = status;
    this.#end = provenEnd(this.#request.method, status, rawHeaders);
    this.#sink.head({ status, rawHeaders }, this.#end);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#phase !== 'over') this.#sink.chunk(chunk);
  }

  onResponseEnd(): void {
    const cut = this.#end === 'unproven' && this.#slot?.connection === 'broken';
    this.#over(
      cut
        ? { kind: 'failed', cause: 'truncated', message: 'the connection was reset before it was closed' }
        : { kind: 'complete', status: this.#status, end: this.#end },
    );
    this.#giveSlot();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#destroyedAs !== null) {
      this.#over(this.#destroyedAs);
    } else if (this.#phase === 'waiting') {
      this.#over({ kind: 'never-dispatched', cause: neverDispatchedCause(error), message: messageOf(error) });
    } else {
      this.#over({ kind: 'failed', cause: failureCause(error, this.#status), message: messageOf(error) });
    }
    this.#giveSlot();
  }

  pause(): void {
    this.#controller?.pause();
  }

  resume(): void {
    this.#controller?.resume();
  }

  destroy(as: ExchangeEnd): void {
    if (this.#phase === 'over') return;
    this.#destroyedAs = as;
    // Without a controller undici is still connecting, or we are still waiting: it is stopped when its turn comes.
    if (this.#controller === null)
      this.#over({ kind: 'never-dispatched', cause: 'stopped', message: 'given up before dispatch' });
    else this.#controller.abort(new Error('exchange destroyed'));
  }

  #over(end: ExchangeEnd): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    this.#clearQueueTimer();
    if (this.#slot === null) this.#connections.leave(this);
    this.#sink.end(end);
  }

  #giveSlot(): void {
    const slot = this.#slot;
    if (slot === null) return;
    this.#slot = null;
    this.#connections.give(slot);
  }

  #clearQueueTimer(): void {
    if (this.#queueTimer === null) return;
    clearTimeout(this.#queueTimer);
    this.#queueTimer = null;
  }
}

function decodeHeaders(raw: Dispatcher.DispatchController['rawHeaders']): RawHeaders {
  if (!Array.isArray(raw)) return [];
  const out = new Array<string>(raw.length);
  for (let i = 0; i < raw.length; i++) {
    const item = raw[i];
    out[i] = typeof item === 'string' ? item : item === undefined ? '' : item.toString('latin1');
  }
  return out;
}

/** RFC 9112 section 6.3: whether the message says itself where it ends. */
function provenEnd(method: string, status: number, rawHeaders: RawHeaders): 'proven' | 'unproven' {
  if (method === 'HEAD' || status === 204 || status === 304) return 'proven';
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (name.length !== 14 && name.length !== 17) continue;
    const lower = name.toLowerCase();
    if (lower === 'content-length') return 'proven';
    if (lower === 'transfer-encoding') return 'proven';
  }
  return 'unproven';
}

function failureCause(error: Error, status: number): FailureCause {
  const code = codeOf(error);
  if (code.startsWith('HPE_') || code === 'UND_ERR_HEADERS_OVERFLOW') return 'bad-framing';
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') return 'truncated';
  if (code === 'UND_ERR_ABORTED') return 'aborted';
  return status >= 200 ? 'truncated' : 'reset';
}
