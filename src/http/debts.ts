import type { Duplex } from 'node:stream';
import type { NodeBody } from './node-body.ts';
import type { Peer } from './seam.ts';

/** What the connections of HTTP/1 owe: pipelined requests are answered in their order or not at all. */

/** What a connection still owes: an answer of ours must never be written into that of another request. */
export type Debt = {
  owed: number;
  /** The last request that began on it. */
  newest: NodeBody | null;
  /** Nothing more is read from it: closed once the answers that are owed have gone out. */
  reading: 'on' | 'over';
  /** Of what is owed: the newest, where its body broke off and no answer to it can be true. */
  lost: 0 | 1;
  /** Who is at the other end: the same for all its requests. */
  readonly peer: Peer;
};

export type Debts = {
  of(socket: Duplex): Debt;
  /** A tunnel from now on, and never idle. */
  forget(socket: Duplex): void;
  closeIdle(): void;
};

export function createDebts(peerOf: (socket: Duplex) => Peer): Debts {
  const debts = new Map<Duplex, Debt>();
  return {
    of(socket) {
      const known = debts.get(socket);
      if (known !== undefined) return known;
      const debt: Debt = { owed: 0, newest: null, reading: 'on', lost: 0, peer: peerOf(socket) };
      debts.set(socket, debt);
      socket.once('close', () => debts.delete(socket));
      return debt;
    },
    forget(socket) {
      debts.delete(socket);
    },
    closeIdle() {
      // One that still sends what nobody reads would lose its answer to the reset.
      for (const [socket, { owed, newest }] of debts)
        if (owed === 0 && newest?.complete() === 'complete') socket.destroy();
    },
  };
}

/** Answers bytes that are no request, unless an earlier request on the connection is still owed its answer. */
export function refuseBytes(debt: Debt, socket: Duplex, malformed: () => Uint8Array): void {
  if (debt.reading === 'over') return;
  const { owed, newest } = debt;
  if (owed === 0 || (owed === 1 && newest?.use() === 'collecting' && newest.complete() === 'incomplete')) {
    endWith(socket, malformed());
    return;
  }
  debt.reading = 'over';
  if (newest?.complete() !== 'incomplete') return;
  // Of this body something may be at the backend: neither a 400 nor anything else could be true.
  // One that nobody took may have its answer already, which must get out.
  if (newest.use() === 'untouched') newest.fail();
  else if (owed === 1) socket.destroy();
  // Pipelined: the requests before it are still owed theirs.
  else debt.lost = 1;
}

function endWith(socket: Duplex, bytes: Uint8Array): void {
  socket.on('error', () => socket.destroy());
  socket.end(bytes, () => socket.destroy());
}
