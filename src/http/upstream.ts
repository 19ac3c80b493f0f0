import { buildConnector, Client, type Dispatcher } from 'undici';
import { judgeResponse } from '../core/judge-response.ts';
import type { ExchangeEnd } from '../core/settle.ts';
import type { RawHeaders } from '../core/wire.ts';
import { Connections, type Slot } from './connections.ts';
import { readStrictly } from './response-bytes.ts';
import type { Exchange, ExchangeSink, OutgoingBody, OutgoingRequest, Upstream } from './seam.ts';
import { failureCause, messageOf, neverDispatchedCause } from './upstream-errors.ts';
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
              const [, socket] = result;
              socket?.once('error', () => {
                slot.connection = 'broken';
              });
              // Without a connection there is none, whatever its type says.
              slot.bytes = socket ? readStrictly(socket) : null;
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
  #informational = 0;
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
    this.#slot?.bytes?.expect();
  }

  onRequestSent(): void {
    if (this.#phase === 'dispatched') this.#sink.sent();
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (this.#phase === 'over') return;
    const rawHeaders = decodeHeaders(controller.rawHeaders);
    const wrong = this.#judgeHead(status, rawHeaders);
    if (wrong !== null) this.destroy({ kind: 'failed', cause: 'bad-framing', message: wrong });
    else if (status < 200) this.#sink.informational({ status, rawHeaders });
    else {
      this.#status = status;
      this.#sink.head({ status, rawHeaders }, this.#end);
    }
  }

  /** Null, or what is wrong with the head or with what has come behind it. */
  #judgeHead(status: number, rawHeaders: RawHeaders): string | null {
    const bytes = this.#slot?.bytes ?? null;
    if (status < 200) this.#informational += 1;
    const { method } = this.#request;
    const version = bytes?.version ?? '1.1';
    const verdict = judgeResponse({
      method,
      version,
      status,
      rawHeaders,
      informational: this.#informational,
    });
    if (verdict.kind === 'refused') return verdict.why;
    if (status < 200) return null;
    this.#end = verdict.framing === 'closed' ? 'unproven' : 'proven';
    return bytes?.body(verdict.framing === 'chunked' ? 'chunked' : 'opaque') ?? null;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#phase !== 'over') this.#sink.chunk(chunk);
  }

  onResponseEnd(): void {
    this.#over(this.#judgeEnd());
    this.#giveSlot();
  }

  #judgeEnd(): ExchangeEnd {
    if (this.#slot?.bytes?.ended() === 'disagreed')
      return { kind: 'failed', cause: 'bad-framing', message: 'its end is not where its chunks end' };
    if (this.#end === 'unproven' && this.#slot?.connection === 'broken')
      return { kind: 'failed', cause: 'truncated', message: 'the connection was reset before it was closed' };
    return { kind: 'complete', status: this.#status, end: this.#end };
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#destroyedAs !== null) {
      this.#over(this.#destroyedAs);
    } else if (this.#phase === 'waiting') {
      this.#over({ kind: 'never-dispatched', cause: neverDispatchedCause(error), message: messageOf(error) });
    } else {
      const wrong = this.#slot?.bytes?.wrong ?? null;
      const cause = wrong === null ? failureCause(error, this.#status) : 'bad-framing';
      this.#over({ kind: 'failed', cause, message: messageOf(error) });
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
