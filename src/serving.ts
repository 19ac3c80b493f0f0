import { STRANGER } from './core/caller.ts';
import { forwardRequestHeaders } from './core/headers.ts';
import { plan } from './core/plan.ts';
import type { RoutePolicy } from './core/policy.ts';
import { loggedTarget, reservedRest } from './core/reserved.ts';
import { firstValue, type RequestHead } from './core/wire.ts';
import type { Ending, Engine, Snapshot } from './engine/types.ts';
import { guard } from './http/guard.ts';
import type { ListenerHandler } from './http/listener.ts';
import type { Incoming, Peer } from './http/seam.ts';
import type { Tunnel } from './http/tunnel.ts';
import { handleRequest } from './pipeline.ts';
import { renderProblem } from './problems/problem.ts';
import { type ProblemCode, problemType } from './problems/registry.ts';

/** Between the listener and the pipeline: counts what is in flight, tells how each request ended, catches defects. */
export type Serving = {
  readonly handler: ListenerHandler;
  rawProblem(code: ProblemCode, detail: string): Uint8Array;
  /** Waits until nothing is in flight; `tick` runs now and then meanwhile. */
  idleWithin(timeoutMs: number, tick: () => void): Promise<'idle' | 'still-busy'>;
};

export type ServingOptions = {
  readonly engine: Engine;
  readonly snapshot: () => Snapshot;
  readonly tunnel: Tunnel;
};

const TICK_MS = 25;

export function createServing(options: ServingOptions): Serving {
  const { engine } = options;

  const rawProblem = (code: ProblemCode, detail: string): Uint8Array => {
    const problem = renderProblem({
      code,
      instance: engine.newUuid(),
      docsUrl: options.snapshot().config.docsUrl,
      detail,
    });
    engine.metrics.problem(code);
    let head = `HTTP/1.1 ${problem.status} ${problemType(code).title}\r\n`;
    for (let i = 0; i < problem.rawHeaders.length; i += 2)
      head += `${problem.rawHeaders[i]}: ${problem.rawHeaders[i + 1]}\r\n`;
    head += `Date: ${new Date(engine.wallMs()).toUTCString()}\r\n`;
    return Buffer.concat([Buffer.from(`${head}Connection: close\r\n\r\n`, 'latin1'), problem.body]);
  };

  const handle = async (incoming: Incoming): Promise<void> => {
    engine.metrics.inFlight.inc();
    try {
      const snapshot = options.snapshot();
      const ending = await handleRequest(engine, snapshot, incoming);
      report(engine, snapshot, incoming, ending);
    } catch (error) {
      // A defect of ours: the client must not take silence or half an answer for the truth.
      engine.log.unexpected(error);
      if (incoming.reply.state() === 'open')
        incoming.reply.send({ status: 500, rawHeaders: ['Content-Length', '0'] }, null);
      else incoming.reply.destroy();
    } finally {
      // Until the last byte has left: a drain must not cut an answer that waits for a slow client.
      incoming.reply.onClosed(() => engine.metrics.inFlight.dec());
    }
  };

  const handler: ListenerHandler = {
    handle(incoming) {
      void handle(incoming);
    },
    upgrade(head, peer, socket, firstBytes) {
      openTunnel(options, rawProblem, { head, peer, socket, firstBytes });
    },
    malformed(reason, detail) {
      engine.metrics.requestEnded('unmatched', 'none', 'rejected', 0);
      return rawProblem(reason, detail);
    },
  };

  return {
    handler,
    rawProblem,
    async idleWithin(timeoutMs, tick) {
      const endMs = engine.monotonicMs() + timeoutMs;
      for (;;) {
        tick();
        const busy =
          engine.metrics.inFlight.value() +
          engine.tasks.running() +
          engine.settler.pending() +
          engine.locks.leaving() +
          options.tunnel.count();
        if (busy === 0) return 'idle';
        if (engine.monotonicMs() >= endMs) return 'still-busy';
        await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      }
    },
  };
}

function report(engine: Engine, { config }: Snapshot, incoming: Incoming, ending: Ending): void {
  const durationMs = engine.monotonicMs() - incoming.startedMs;
  const { context } = ending;
  const isOwn = context === null || context.path === '';
  engine.metrics.requestEnded(
    context?.policy.name ?? 'unmatched',
    context?.requestClass ?? 'none',
    ending.outcome,
    durationMs / 1000,
  );
  engine.log.requestEnded({
    route: context?.policy.name ?? null,
    requestClass: context?.requestClass ?? null,
    outcome: ending.outcome,
    status: ending.status,
    durationMs,
    method: incoming.head.method,
    target: isOwn ? loggedTarget(config.reserved, incoming.head.target) : incoming.head.target,
    recordKey: context?.recordKey ?? null,
    attempt: ending.attempt,
    problem: ending.problem,
    upstreamMs: ending.upstreamMs,
    bytesIn: incoming.body.lengthBytes ?? 0,
    bytesOut: ending.bytesOut,
    peer: incoming.peer.address,
  });
}

type Upgrade = {
  readonly head: RequestHead;
  readonly peer: Peer;
  readonly socket: Parameters<ListenerHandler['upgrade']>[2];
  readonly firstBytes: Buffer;
};

type Admitted =
  | {
      readonly kind: 'admitted';
      readonly host: string;
      readonly target: string;
      readonly policy: RoutePolicy;
    }
  | { readonly kind: 'refused'; readonly code: ProblemCode; readonly detail: string };

/** An upgrade passes the same guard and plan as a request; with a key it is refused (edge case 55). */
function admitUpgrade(options: ServingOptions, snapshot: Snapshot, head: RequestHead): Admitted {
  const refused = (code: ProblemCode, detail: string = problemType(code).detail): Admitted => ({
    kind: 'refused',
    code,
    detail,
  });
  const guarded = guard(head, snapshot.guardLimits, snapshot.reliedOn);
  if (guarded.kind === 'refused') return guarded;
  const length = firstValue(head.rawHeaders, 'content-length') ?? '0';
  if (length !== '0' || firstValue(head.rawHeaders, 'transfer-encoding') !== undefined) {
    return refused('bad-request', 'A request that changes the protocol has no body here.');
  }
  if (options.engine.draining() === 'draining') return refused('draining');
  if (reservedRest(snapshot.config.reserved, guarded.path) !== null) return refused('not-found');
  const planned = plan(snapshot.config, head, guarded, options.engine.wallMs, STRANGER);
  if (planned.kind === 'not-found') return refused('not-found');
  if (planned.kind !== 'bypass' || planned.why !== 'safe') {
    return refused('method-not-supported', 'Only a safe request without a key can change the protocol.');
  }
  return { kind: 'admitted', host: guarded.host, target: guarded.target, policy: planned.policy };
}

function openTunnel(options: ServingOptions, rawProblem: Serving['rawProblem'], upgrade: Upgrade): void {
  const { engine, tunnel } = options;
  const { head, peer, socket, firstBytes } = upgrade;
  const snapshot = options.snapshot();
  const admitted = admitUpgrade(options, snapshot, head);
  if (admitted.kind === 'refused') {
    engine.metrics.requestEnded('unmatched', 'none', 'rejected', 0);
    socket.end(rawProblem(admitted.code, admitted.detail), () => socket.destroy());
    return;
  }
  const startedMs = engine.monotonicMs();
  const rawHeaders = forwardRequestHeaders(head.rawHeaders, {
    peerAddress: peer.address,
    protocol: peer.protocol,
    host: admitted.host,
    forwarding: snapshot.forwardingOf(peer.address),
    upstreamHost: snapshot.config.upstream.host === 'upstream' ? snapshot.upstream.authority : null,
    httpVersion: head.httpVersion,
    execution: null,
  });
  rawHeaders.push('Connection', 'Upgrade', 'Upgrade', firstValue(head.rawHeaders, 'upgrade') ?? '');
  tunnel.open({ ...head, target: admitted.target }, rawHeaders, socket, firstBytes, () => {
    engine.metrics.requestEnded(
      admitted.policy.name,
      'safe',
      'bypassed',
      (engine.monotonicMs() - startedMs) / 1000,
    );
  });
}
