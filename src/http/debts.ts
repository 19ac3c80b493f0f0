import type { Socket } from 'node:net';
import process from 'node:process';
import type { Duplex } from 'node:stream';
import type { NodeBody } from './node-body.ts';
import type { NodeReply } from './node-reply.ts';
import type { Peer } from './seam.ts';

/**
 * What the connections of HTTP/1 owe. They are served one request after the other: what is pipelined waits until the
 * answer before it has left, for behind one that closes the connection nothing may be executed (RFC 9112 section 9.3.2).
 */

/** Requests of one connection that wait for their turn; those behind are cut off with the connection. */
const WAITING_MAX = 100;

/** A request that came and has not begun. */
export type Waiting = {
  readonly body: NodeBody;
  begin(): void;
};

/** What a connection still owes: an answer of ours must never be written into that of another request. */
export type Debt = {
  owed: 'nothing' | 'answer';
  /** To the request that is being served, or the last one that was. */
  reply: NodeReply | null;
  /** The last request that came on it. */
  newest: NodeBody | null;
  readonly waiting: Waiting[];
  /** The client takes nothing for now of what it is answered. */
  taking: 'on' | 'stalled';
  /** Nothing more is read from it: closed once the answers that are owed have gone out. */
  reading: 'on' | 'over';
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
      const debt: Debt = {
        owed: 'nothing',
        reply: null,
        newest: null,
        waiting: [],
        taking: 'on',
        reading: 'on',
        peer: peerOf(socket),
      };
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
        if (owed === 'nothing' && newest?.complete() === 'complete') socket.destroy();
    },
  };
}

/** For a request that came before the one ahead of it had its answer. */
export function awaitTurn(debt: Debt, socket: Socket, request: Waiting): void {
  if (debt.waiting.length >= WAITING_MAX) {
    debt.reading = 'over';
  } else {
    debt.newest = request.body;
    debt.waiting.push(request);
  }
  holdReading(debt, socket);
}

/**
 * Stops reading behind what waits: all of it is held in memory, and counted by no bound. Also while a client takes
 * nothing: what it sends would begin the time anew that it is given.
 */
export function holdReading(debt: Debt, socket: Socket): void {
  // After the parser's turn: node resumes the socket at the end of every message.
  process.nextTick(() => {
    const isOver = debt.reading === 'over' || debt.taking === 'stalled';
    if ((isOver && debt.newest?.complete() !== 'incomplete') || debt.waiting.length > 0) socket.pause();
  });
}

export function letRead(debt: Debt, socket: Socket): void {
  if (debt.waiting.length === 0 && debt.reading === 'on' && debt.taking === 'on') socket.resume();
}

/** An answer has left, or its connection has. `closes`: it was the last, and nothing behind its request is taken. */
export function settleDebt(debt: Debt, socket: Socket, closes: 'yes' | 'no'): void {
  const wasStalled = debt.taking === 'stalled';
  debt.taking = 'on';
  // Also of a connection that is about to end without having said so: what waits on it is not begun.
  if (closes === 'yes' || !socket.writable) endDebt(debt);
  const next = debt.waiting.shift();
  if (next === undefined) {
    debt.owed = 'nothing';
    if (debt.reading === 'over') socket.destroySoon();
    else if (wasStalled) letRead(debt, socket);
    return;
  }
  // Of the answer that has left: its client read it late.
  socket.setTimeout(0);
  // Not before whoever counts requests has counted the last one out.
  setImmediate(() => {
    if (!socket.writable) {
      endDebt(debt);
      return;
    }
    letRead(debt, socket);
    holdReading(debt, socket);
    next.begin();
  });
}

function endDebt(debt: Debt): void {
  debt.owed = 'nothing';
  debt.reading = 'over';
  debt.waiting.length = 0;
}

/** Answers bytes that are no request, unless an earlier request on the connection is still owed its answer. */
export function refuseBytes(debt: Debt, socket: Duplex, malformed: () => Uint8Array): void {
  if (debt.reading === 'over') return;
  const { newest, waiting } = debt;
  const broken = newest?.complete() === 'incomplete' ? newest : null;
  const isUnanswered = waiting.length === 0 && debt.reply?.state() === 'open';
  if (debt.owed === 'nothing' || (isUnanswered && broken?.use() === 'collecting')) {
    endWith(socket, malformed());
    return;
  }
  debt.reading = 'over';
  if (broken === null) return;
  // Only the last that came can be incomplete. One that waits never begins.
  if (waiting.length > 0) waiting.pop();
  // Of this body something may be at the backend: neither a 400 nor anything else could be true.
  // One that was not passed on may have its answer already, which must get out.
  else if (broken.use() !== 'streaming') broken.fail();
  else socket.destroy();
}

function endWith(socket: Duplex, bytes: Uint8Array): void {
  socket.on('error', () => socket.destroy());
  socket.end(bytes, () => socket.destroy());
}
