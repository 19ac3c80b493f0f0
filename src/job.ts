/** Work in the background, in passes: never two at once, however long one takes. Keeps no process alive. */
export type Job = {
  readonly intervalMs: number;
  /** One bounded pass. */
  readonly run: () => Promise<unknown>;
  readonly onError: (error: unknown) => void;
};

export function startJob({ intervalMs, run, onError }: Job): { stop(): void } {
  let pass: 'idle' | 'busy' = 'idle';
  const timer = setInterval(() => {
    if (pass === 'busy') return;
    pass = 'busy';
    run()
      .catch(onError)
      .finally(() => {
        pass = 'idle';
      });
  }, intervalMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
