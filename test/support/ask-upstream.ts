import { createUpstream } from '../../src/http/upstream.ts';

/** Run as a process of its own: asks the origin given once, and prints what came back. Edge file: it writes and reads the process. */

const upstream = createUpstream({
  origin: process.argv[2] ?? '',
  connectMs: 5_000,
  connectionsMax: 1,
  queueMs: 5_000,
  tls: () => null,
});
const chunks: Uint8Array[] = [];
let rawHeaders: readonly string[] = [];
upstream.start(
  {
    method: 'POST',
    target: '/a?b=c',
    rawHeaders: ['Host', upstream.authority, 'X-Mixed-Case', 'kept', 'Content-Length', '5'],
    body: { kind: 'bytes', bytes: Buffer.from('hello') },
    sockets: 'keyed',
  },
  {
    dispatching: () => 'go',
    uploaded: () => undefined,
    sent: () => undefined,
    informational: () => undefined,
    head: (head) => {
      rawHeaders = head.rawHeaders;
    },
    chunk: (bytes) => void chunks.push(bytes),
    trailers: () => undefined,
    end: (end) => {
      process.stdout.write(JSON.stringify({ end, rawHeaders, body: Buffer.concat(chunks).toString() }));
      void upstream.close();
    },
  },
);
