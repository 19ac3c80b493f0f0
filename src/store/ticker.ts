/** Calls `tick` every periodMs until the returned function is called; never keeps the process alive. */
export type Ticker = (periodMs: number, tick: () => void) => () => void;

/** The ticker of a running process; tests bring their own. */
export const systemTicker: Ticker = (periodMs, tick) => {
  const timer = setInterval(tick, periodMs);
  timer.unref();
  return () => clearInterval(timer);
};
