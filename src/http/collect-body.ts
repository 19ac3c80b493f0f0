import type { Readable } from 'node:stream';
import type { BodyRead, ByteBudget } from './seam.ts';

/** A body that is read may take this many idle times in all. */
const TOTAL_FACTOR = 10;

export type Collecting = {
  readonly bytesMax: number;
  readonly budget: ByteBudget;
  /** Between two bytes; ten times as much in all. */
  readonly timeoutMs: number;
  /** The event that says that no more will come, whatever is said after it. */
  readonly brokenBy: 'close' | 'aborted';
};

/** The whole of a body, bounded in bytes and time. Never rejects. */
export function collectBody(source: Readable, collecting: Collecting): Promise<BodyRead> {
  return new Promise((resolve) => collect(source, collecting, resolve));
}

function collect(
  source: Readable,
  { bytesMax, budget, timeoutMs, brokenBy }: Collecting,
  resolve: (read: BodyRead) => void,
): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const settle = (read: BodyRead): void => {
    clearTimeout(timer);
    source.off('data', onData);
    source.off('end', onEnd);
    source.off('close', onBroken);
    if (brokenBy !== 'close') source.off(brokenBy, onBroken);
    // The caller owns the bytes of a complete body; of anything else nothing is kept.
    if (read.kind !== 'complete') budget.give(bytes);
    resolve(read);
  };
  const lastMs = performance.now() + timeoutMs * TOTAL_FACTOR;
  const onData = (chunk: Buffer): void => {
    if (performance.now() > lastMs) {
      settle({ kind: 'timed-out' });
      return;
    }
    timer.refresh();
    if (budget.take(chunk.length) === 'full') {
      settle({ kind: 'no-room' });
      return;
    }
    bytes += chunk.length;
    if (bytes > bytesMax) {
      source.pause();
      settle({ kind: 'too-large' });
      return;
    }
    chunks.push(chunk);
  };
  const onEnd = (): void => {
    const only = chunks[0];
    settle({
      kind: 'complete',
      bytes: chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, bytes),
    });
  };
  const onBroken = (): void => settle({ kind: 'aborted' });
  // Idle, and bounded in all: a byte now and then must not hold a place for ever.
  const timer = setTimeout(() => settle({ kind: 'timed-out' }), timeoutMs);
  source.on('data', onData);
  source.on('end', onEnd);
  source.on('close', onBroken);
  if (brokenBy !== 'close') source.on(brokenBy, onBroken);
  if (source.destroyed) settle({ kind: 'aborted' });
}

export type Streaming = {
  /** Runs when the first chunk is asked for, and throws where none can come. */
  readonly begin: () => void;
  readonly chunks: () => AsyncIterator<Buffer>;
  /** Between two bytes, while the client is waited for. */
  readonly timeoutMs: number;
  /** Asked at the end of the source, which a body that broke off has too. */
  readonly isWhole: () => boolean;
  readonly onChunk: (chunk: Uint8Array) => void;
};

/** A body as it comes. Throws where it breaks off, or its client stops sending. */
export async function* streamBody(
  source: Readable,
  { begin, chunks, timeoutMs, isWhole, onChunk }: Streaming,
): AsyncIterable<Uint8Array> {
  begin();
  const iterator = chunks();
  for (;;) {
    // Runs only while the client is waited for: a slow upstream is not the client's fault.
    const timer = setTimeout(
      () => source.destroy(new Error('the client stopped sending its body')),
      timeoutMs,
    );
    const next = await iterator.next().finally(() => clearTimeout(timer));
    if (next.done === true) break;
    onChunk(next.value);
    yield next.value;
  }
  if (!isWhole()) throw new Error('the client left before the end of the body');
}
