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
