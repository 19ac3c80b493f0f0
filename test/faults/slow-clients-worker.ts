import { connect, type Socket } from 'node:net';
import process from 'node:process';
import { createInterface } from 'node:readline';

/**
 * Clients that take their time, in a process of their own: `slow-clients-worker.ts PORT COUNT`. Half of them send a head byte
 * by byte, most others a body, and some read an answer so; one that is cut off comes back at once. For every line on
 * stdin it says on stdout how many are open, and how many were cut off so far.
 */
export type SlowReport = { readonly open: number; readonly cutOff: number };

const [port = 0, count = 0] = process.argv.slice(2).map(Number);
/** As attackers do it: a byte now and then is enough to stay. */
const BYTE_MS = 2_000;
const ENDLESS = 'a'.repeat(100_000);

const open = new Set<Socket>();
let cutOff = 0;

/** `begin` goes out at once, the rest a byte at a time. */
function slowSender(begin: string): (socket: Socket) => void {
  return (socket) => {
    socket.write(begin);
    let at = 0;
    const timer = setInterval(() => socket.write(ENDLESS[at++ % ENDLESS.length] ?? 'a'), BYTE_MS);
    socket.on('close', () => clearInterval(timer));
    // What it is told is read, so that its end is seen.
    socket.resume();
  };
}

function slowReader(socket: Socket): void {
  socket.write('GET /large HTTP/1.1\r\nHost: a\r\n\r\n');
  socket.pause();
  const timer = setInterval(() => socket.read(64), BYTE_MS);
  socket.on('close', () => clearInterval(timer));
}

const HEAD = slowSender('POST /slow HTTP/1.1\r\nHost: a\r\nX-Slow: ');
const BODY = slowSender(
  'POST /slow HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer slow\r\nIdempotency-Key: "slow"\r\nContent-Length: 100000\r\n\r\n',
);
/** One in ten reads slowly: each of them has megabytes in the kernel too. */
const KINDS = [HEAD, BODY, HEAD, BODY, HEAD, BODY, HEAD, BODY, HEAD, slowReader];
/** They do not come all at once: it is their staying that is tried. */
const STAGGER_MS = 4;

function begin(kind: (socket: Socket) => void): void {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.once('connect', () => {
    open.add(socket);
    kind(socket);
  });
  socket.once('close', () => {
    if (open.delete(socket)) cutOff += 1;
    setTimeout(() => begin(kind), 10);
  });
}

for (let n = 0; n < count; n += 1) setTimeout(() => begin(KINDS[n % KINDS.length] ?? HEAD), n * STAGGER_MS);

createInterface({ input: process.stdin }).on('line', () => {
  const report: SlowReport = { open: open.size, cutOff };
  process.stdout.write(`${JSON.stringify(report)}\n`);
});
