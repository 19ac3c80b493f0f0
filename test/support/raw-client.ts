import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type AnswerHead, parseAnswer, type RawAnswer } from './answer-reader.ts';

/** A client that sends exact bytes and reads answers exactly. */
export type RawClient = {
  /** One character a byte. */
  send(bytes: string | Uint8Array): void;
  /** The next answer on the connection; `method` is that of its request, as HEAD has no body. */
  answer(method?: string): Promise<RawAnswer>;
  /** Everything received and not yet taken by answer(). */
  received(): string;
  /** Resolves once the text is among what was received and not yet taken. */
  receives(text: string): Promise<void>;
  halfClose(): void;
  reset(): void;
  pauseReading(): void;
  resumeReading(): void;
  /** How the proxy ended the connection. */
  closed(): Promise<'fin' | 'reset'>;
  readonly socket: Socket;
};

/** No wait of a test is right because of this; it turns a hang into a message. */
const PATIENCE_MS = 15_000;

export async function connectRaw(port: number, host = '127.0.0.1'): Promise<RawClient> {
  const socket = connect({ port, host, noDelay: true, allowHalfOpen: true });
  let buffered: Buffer = Buffer.alloc(0);
  let ended: 'open' | 'fin' | 'reset' = 'open';
  const informational: AnswerHead[] = [];
  const watchers = new Set<() => void>();
  const notify = (): void => {
    for (const watcher of watchers) watcher();
  };
  socket.on('data', (chunk: Buffer) => {
    buffered = buffered.length === 0 ? chunk : Buffer.concat([buffered, chunk]);
    notify();
  });
  socket.on('end', () => {
    if (ended === 'open') ended = 'fin';
    notify();
  });
  socket.on('error', () => {
    ended = 'reset';
  });
  socket.on('close', () => {
    if (ended === 'open') ended = 'reset';
    notify();
  });
  await once(socket, 'connect');

  /** Runs at every event until it yields something. */
  function when<T>(what: string, look: () => T | null): Promise<T> {
    return new Promise((resolve, reject) => {
      const watch = (): void => {
        const found = look();
        if (found === null) return;
        watchers.delete(watch);
        clearTimeout(timer);
        resolve(found);
      };
      const timer = setTimeout(() => {
        watchers.delete(watch);
        reject(
          new Error(
            `${what}: not within ${PATIENCE_MS} ms; got ${JSON.stringify(buffered.toString('latin1').slice(0, 500))}, connection ${ended}`,
          ),
        );
      }, PATIENCE_MS);
      watchers.add(watch);
      watch();
    });
  }

  return {
    socket,
    send: (bytes) => void socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes),
    answer: (method = 'POST') =>
      when('an answer', () => {
        for (;;) {
          const parsed = parseAnswer(buffered, method, ended);
          switch (parsed.kind) {
            case 'need-more':
              return null;
            case 'informational':
              informational.push(parsed.head);
              buffered = buffered.subarray(parsed.bytes);
              break;
            case 'answer':
              buffered = buffered.subarray(parsed.bytes);
              return { ...parsed.answer, informational: informational.splice(0) };
            default:
              throw new Error(`no such kind: ${JSON.stringify(parsed satisfies never)}`);
          }
        }
      }),
    received: () => buffered.toString('latin1'),
    receives: (text) =>
      when(`the bytes ${JSON.stringify(text)}`, () =>
        buffered.includes(text, 0, 'latin1') ? true : null,
      ).then(() => undefined),
    halfClose: () => void socket.end(),
    reset: () => void socket.resetAndDestroy(),
    pauseReading: () => void socket.pause(),
    resumeReading: () => void socket.resume(),
    closed: () => when('the end of the connection', () => (ended === 'open' ? null : ended)),
  };
}

/** One request on a connection of its own. */
export async function rawExchange(
  port: number,
  bytes: string | Uint8Array,
  method = 'POST',
): Promise<RawAnswer> {
  const client = await connectRaw(port);
  try {
    client.send(bytes);
    return await client.answer(method);
  } finally {
    client.socket.destroy();
  }
}
