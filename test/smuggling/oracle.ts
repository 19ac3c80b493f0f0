import { once } from 'node:events';
import { connect } from 'node:net';
import { guard } from '../../src/http/guard.ts';
import type { LogLine } from '../support/proxy.ts';
import type { RecordingUpstream } from './recording-upstream.ts';
import { parseAnswer, type StrictAnswer, valuesOf } from './strict-http.ts';

/**
 * What the proxy says it did and what is on the wires must be the same: each request that the backend sees is one that the
 * proxy took, with the same method and target, and what the client reads are whole answers and nothing else.
 */

export type Attack = {
  /** Packets, written one after the other. */
  readonly parts: readonly Uint8Array[];
  /** Of the requests in it, in their order, for the answers to HEAD. */
  readonly methods?: readonly string[];
};

export type Seen = {
  /** Everything the client received until the connection was closed. */
  readonly bytes: Buffer;
  readonly answers: readonly StrictAnswer[];
  /** What the client could not read as an answer. */
  readonly faults: readonly string[];
  /** Who closed first: the proxy, or the client when all was sent. */
  readonly closedBy: 'proxy' | 'client';
};

/** Sends all, half-closes, and reads until the proxy closes. */
export async function attack(port: number, { parts, methods = [] }: Attack): Promise<Seen> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
  const chunks: Buffer[] = [];
  let closedBy: Seen['closedBy'] = 'client';
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('end', () => {
    if (!socket.writableEnded) closedBy = 'proxy';
    socket.end();
  });
  await once(socket, 'connect');
  for (const part of parts) {
    if (socket.destroyed || socket.writableEnded) break;
    await new Promise<void>((resolve) => socket.write(part, () => resolve()));
    // Another packet: what came before is read first.
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (!socket.destroyed) {
    socket.end();
    await once(socket, 'close');
  }
  const bytes = Buffer.concat(chunks);
  return { bytes, ...readAnswers(bytes, methods), closedBy };
}

function readAnswers(bytes: Buffer, methods: readonly string[]): Pick<Seen, 'answers' | 'faults'> {
  const answers: StrictAnswer[] = [];
  let at = 0;
  while (at < bytes.length) {
    const rest = bytes.subarray(at);
    const asAsked = parseAnswer(rest, methods[answers.length] ?? 'GET', 'closed');
    // Of a HEAD that is no request nobody knows that it is one: its refusal has a body, and is the last on the connection.
    const isLast =
      asAsked.kind === 'message' && valuesOf(asAsked.message.fields, 'connection').includes('close');
    const parsed = isLast ? parseAnswer(rest, 'GET', 'closed') : asAsked;
    if (isLast && parsed.kind === 'incomplete') {
      answers.push(asAsked.message);
      break;
    }
    // An answer that broke off with its connection is no whole one, and says so.
    if (parsed.kind === 'incomplete') break;
    if (parsed.kind === 'malformed') return { answers, faults: [parsed.why] };
    answers.push(parsed.message);
    at += parsed.bytes;
  }
  return { answers, faults: [] };
}

export function fromBackend(answer: StrictAnswer): boolean {
  return valuesOf(answer.fields, 'x-backend').length > 0;
}

const SENT: ReadonlySet<unknown> = new Set([
  'bypassed',
  'executed',
  'unstored',
  'released',
  'parked',
  'joined',
]);
const LIMITS = { headersMax: 1_000, targetBytesMax: 1_000_000 };

/** Requests of the backend that the proxy does not know of, and everything else that is wrong. */
export function disagreements(lines: readonly LogLine[], upstream: RecordingUpstream): readonly string[] {
  const { requests, faults } = upstream.take();
  const known = new Map<string, number>();
  for (const line of lines) {
    if (line.msg !== 'request' || !SENT.has(line.outcome)) continue;
    const name = `${line.method} ${canonical(String(line.path ?? line.target))}`;
    known.set(name, (known.get(name) ?? 0) + 1);
  }
  const wrong = [...faults];
  for (const { method, target, fields } of requests) {
    // A tunnel is counted, and has no line of its own.
    if (valuesOf(fields, 'upgrade').length > 0) continue;
    const name = `${method} ${target.split('?')[0]}`;
    const left = known.get(name) ?? 0;
    if (left === 0) wrong.push(`the backend saw ${name}, of which the proxy does not know`);
    else known.set(name, left - 1);
  }
  for (const line of lines) if (line.level === 'error') wrong.push(`a defect: ${JSON.stringify(line)}`);
  return wrong;
}

/** As the guard passes it on. */
function canonical(target: string): string {
  const host = /^https?:\/\/([^/?#]*)/i.exec(target)?.[1] ?? 'h';
  const guarded = guard(
    { method: 'GET', target, rawHeaders: ['Host', host], httpVersion: '1.1' },
    LIMITS,
    new Set(),
  );
  return guarded.kind === 'ok' ? guarded.path : target;
}
