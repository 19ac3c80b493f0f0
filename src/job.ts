/** Work in the background, in passes: never two at once, however long one takes. Keeps no process alive. */
export type Job = {
  readonly intervalMs: number;
  /** One pass; one that takes long ends soon after the signal aborts. */
  readonly run: (stopping: AbortSignal) => Promise<unknown>;
  readonly onError: (error: unknown) => void;
};

export function startJob({ intervalMs, run, onError }: Job): { stop(): void } {
  let pass: 'idle' | 'busy' = 'idle';
  const stopping = new AbortController();
  const timer = setInterval(() => {
    if (pass === 'busy') return;
    pass = 'busy';
    run(stopping.signal)
      .catch(onError)
      .finally(() => {
        pass = 'idle';
      });
  }, intervalMs);
  timer.unref();
  return {
    stop() {
      clearInterval(timer);
      stopping.abort();
    },
  };
}
