/** A wait for a hint that may never come: bounded in time, over at once where nobody waits any more. */
export type Wake = { readonly promise: Promise<void>; cancel(): void };

const ENDED = 'ended';

/** `subscribe`: hints of the store, of which the first counts; one that cannot be had leaves the others and the time. */
export function wakeWithin(
  withinMs: number,
  gone: AbortSignal,
  ...subscribe: readonly ((signal: AbortSignal) => Promise<void>)[]
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
  if (gone.aborted) cancel();
  const hints = subscribe.map((hint) => hint(ended.signal).catch(() => aborted));
  return { promise: Promise.race([...hints, aborted]).finally(cancel), cancel };
}
