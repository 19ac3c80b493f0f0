import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { readRequest, type SeenRequest } from './request-reader.ts';

/**
 * A raw TCP backend that plays scripts. The case a request belongs to is the second segment of its path
 * (`/conf/<case-id>/…`); each hit of a case takes the next play of its list.
 */

export type Act =
  /** Exact bytes, one character a byte. */
  | { readonly kind: 'bytes'; readonly bytes: string }
  /** Waits until the test opens the gate; an opened gate stays open. */
  | { readonly kind: 'gate'; readonly gate: string }
  | { readonly kind: 'reset' }
  /** FIN after what was written; what the peer still sends is read. */
  | { readonly kind: 'half-close' }
  /** FIN, and nothing more is read. */
  | { readonly kind: 'close' }
  /** First in a play only: it begins at the head of the request; otherwise at the end of its body. */
  | { readonly kind: 'at-head' };
export type Play = readonly Act[];

export type ScriptedUpstream = {
  readonly port: number;
  /** Appends plays for the next hits of a case. */
  script(caseId: string, plays: readonly Play[]): void;
  open(caseId: string, gate: string): void;
  /** Heads seen for a case, in order; `body` is what has come so far. */
  seen(caseId: string): readonly SeenRequest[];
  /** Resolves at the nth head (from 1) of a case. */
  hit(caseId: string, nth: number): Promise<void>;
  /** What a strict reader had to refuse; a correct proxy causes none. */
  readonly faults: readonly string[];
  /** Drops keep-alive connections, as a restart would. */
  dropConnections(): void;
  close(): Promise<void>;
};

/** No wait of a test is right because of this; it turns a hang into a message. */
const PATIENCE_MS = 15_000;

type CaseState = {
  readonly plays: Play[];
  readonly seen: SeenRequest[];
  readonly gates: Map<string, { readonly opened: Promise<void>; open(): void }>;
  readonly waiters: { readonly nth: number; readonly tell: () => void }[];
};

export async function startScriptedUpstream(
  listen = { host: '127.0.0.1', port: 0 },
): Promise<ScriptedUpstream> {
  const cases = new Map<string, CaseState>();
  const sockets = new Set<Socket>();
  const faults: string[] = [];
  const stateOf = (caseId: string): CaseState => {
    let state = cases.get(caseId);
    if (state === undefined) {
      state = { plays: [], seen: [], gates: new Map(), waiters: [] };
      cases.set(caseId, state);
    }
    return state;
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    void serve(socket, stateOf, (fault) => faults.push(fault));
  });
  server.listen(listen.port, listen.host);
  await once(server, 'listening');
  return {
    port: portOf(server),
    faults,
    script: (caseId, plays) => void stateOf(caseId).plays.push(...plays),
    open: (caseId, gate) => gateOf(stateOf(caseId), gate).open(),
    seen: (caseId) => stateOf(caseId).seen,
    hit(caseId, nth) {
      const state = stateOf(caseId);
      if (state.seen.length >= nth) return Promise.resolve();
      return new Promise((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`no hit ${nth} of ${caseId} within ${PATIENCE_MS} ms`)),
          PATIENCE_MS,
        );
        const tell = (): void => {
          clearTimeout(timer);
          resolve();
        };
        state.waiters.push({ nth, tell });
      });
    },
    dropConnections() {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the upstream has no port');
  return address.port;
}

function gateOf(state: CaseState, name: string): { readonly opened: Promise<void>; open(): void } {
  let gate = state.gates.get(name);
  if (gate === undefined) {
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = { opened: promise, open: resolve };
    state.gates.set(name, gate);
  }
  return gate;
}

async function serve(
  socket: Socket,
  stateOf: (caseId: string) => CaseState,
  fault: (text: string) => void,
): Promise<void> {
  const requests = readRequest(socket, fault);
  for await (const request of requests) {
    const state = stateOf(request.target.split('/')[2]?.split('?')[0] ?? '');
    state.seen.push(request);
    const play = state.plays.shift() ?? UNSCRIPTED;
    for (const waiter of state.waiters) if (waiter.nth <= state.seen.length) waiter.tell();
    if (play[0]?.kind !== 'at-head' && (await request.ended) === 'cut') return;
    if ((await perform(play, state, socket)) === 'over') return;
    if ((await request.ended) === 'cut') return;
  }
}

const UNSCRIPTED: Play = [
  { kind: 'bytes', bytes: 'HTTP/1.1 500 Unscripted\r\nContent-Length: 20\r\n\r\nno play for this hit' },
];

async function perform(play: Play, state: CaseState, socket: Socket): Promise<'go-on' | 'over'> {
  for (const act of play) {
    if (socket.destroyed) return 'over';
    switch (act.kind) {
      case 'at-head':
        break;
      case 'bytes':
        socket.write(Buffer.from(act.bytes, 'latin1'));
        break;
      case 'gate':
        await gateOf(state, act.gate).opened;
        break;
      case 'reset':
        socket.resetAndDestroy();
        return 'over';
      case 'half-close':
        socket.end();
        break;
      case 'close':
        socket.end(() => socket.destroy());
        return 'over';
      default:
        throw new Error(`no such act: ${JSON.stringify(act satisfies never)}`);
    }
  }
  return 'go-on';
}
