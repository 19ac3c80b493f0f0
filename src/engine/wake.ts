/** A wait for a hint that may never come: bounded in time, over at once where nobody waits any more. */
export type Wake = { readonly promise: Promise<void>; cancel(): void };

const ENDED = 'ended';

/** `subscribe`: a hint of the store; one that cannot be had leaves the time. */
export function wakeWithin(
  subscribe: (signal: AbortSignal) => Promise<void>,
  withinMs: number,
  gone: AbortSignal,
): Wake {
  const ended = new AbortController();
  const cancel = (): void => {
    clearTimeout(timer);
    gone.removeEventListener('abort', cancel);
    // Without a reason it would make an error with a stack, for every wait.
    ended.abort(ENDED);
  };
  const timer = setTimeout(cancel, Math.max(0, withinMs));
  gone.addEventListener('abort', cancel, { once: true });
  const aborted = new Promise<void>((resolve) =>
    ended.signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  const hinted = subscribe(ended.signal).catch(() => aborted);
  return { promise: Promise.race([hinted, aborted]).finally(cancel), cancel };
}
