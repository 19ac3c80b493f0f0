import type { RecordKey, RecordView } from '../core/record.ts';
import type { Incoming } from '../http/seam.ts';
import type { Engine } from './types.ts';
import { wakeWithin } from './wake.ts';

/** A wake-up is a hint: the record is read again at least this often. */
const POLL_MS = 250;

export type AwaitSettled = {
  readonly waitMs: number;
  readonly waitersMax: number;
  /** Of the execution that is waited for; null: of whichever there is. */
  readonly token: number | null;
  /** Whether a drain ends the wait: for who can ask another instance. */
  readonly onDrain: 'go-on' | 'end';
};

export type Settled =
  | { readonly kind: 'settled'; readonly view: RecordView }
  /** Its record is gone, or another's by now. */
  | { readonly kind: 'gone' }
  /** Still in flight: the time is over, or the client has left. */
  | { readonly kind: 'running' }
  | { readonly kind: 'no-place'; readonly of: 'key-full' | 'joiners' | 'memory' };

type Waiting = { readonly engine: Engine; readonly incoming: Incoming };

/** Waits for the end of an execution in flight, bounded in time and in how many wait. Throws StoreUnavailable. */
export async function awaitSettled(
  { engine, incoming }: Waiting,
  recordKey: RecordKey,
  { waitMs, waitersMax, token, onDrain }: AwaitSettled,
): Promise<Settled> {
  const entered = engine.waiters.enter(recordKey, waitersMax);
  if (entered !== 'entered') return { kind: 'no-place', of: entered };
  const abort = new AbortController();
  incoming.reply.onGone(() => abort.abort());
  try {
    const endMs = engine.monotonicMs() + waitMs;
    for (;;) {
      const leftMs = endMs - engine.monotonicMs();
      const woken = wakeWithin(Math.min(POLL_MS, leftMs), abort.signal, (signal) =>
        engine.store.settled(recordKey, signal),
      );
      // Subscribed first, read second: a settlement in between is seen by the read.
      const view = await engine.store.inspect(recordKey);
      const settled = settledView(view, token);
      if (settled !== null) {
        woken.cancel();
        return settled;
      }
      const drained = onDrain === 'end' && engine.draining() === 'draining';
      if (leftMs <= 0 || abort.signal.aborted || drained) {
        woken.cancel();
        return { kind: 'running' };
      }
      await woken.promise;
    }
  } finally {
    engine.waiters.leave(recordKey);
  }
}

/** Null while it is in flight. */
function settledView(view: RecordView | null, token: number | null): Settled | null {
  // What became of the execution waited for is not told by another one.
  if (view === null || (token !== null && view.token !== token)) return { kind: 'gone' };
  return view.state === 'claimed' || view.state === 'dispatched' ? null : { kind: 'settled', view };
}
