/**
 * At most one line for each kind of incident in a window: a store that is down would write a line for every request.
 * What was held back is told, with a count, when the window ends.
 */
export type IncidentLimit = {
  /** `emit` runs now, or once for all of the window at its end; `count`: incidents the line stands for. */
  incident(kind: string, emit: (count: number) => void): void;
  /** Tells what is held back and stops the timers. */
  close(): void;
};

/** Runs `task` after `delayMs`; returns how to stop it. */
export type Schedule = (delayMs: number, task: () => void) => () => void;

export const scheduleUnref: Schedule = (delayMs, task) => {
  const timer = setTimeout(task, delayMs);
  timer.unref();
  return () => clearTimeout(timer);
};

type Window = { count: number; emit: (count: number) => void; stop: () => void };

export function createIncidentLimit(windowMs: number, schedule: Schedule): IncidentLimit {
  const windows = new Map<string, Window>();

  const open = (kind: string): void => {
    const window: Window = { count: 0, emit: () => undefined, stop: schedule(windowMs, () => end(kind)) };
    windows.set(kind, window);
  };
  const end = (kind: string): void => {
    const window = windows.get(kind);
    windows.delete(kind);
    if (window === undefined || window.count === 0) return;
    window.emit(window.count);
    // The line just written counts as the first of the next window.
    open(kind);
  };

  return {
    incident(kind, emit) {
      const window = windows.get(kind);
      if (window === undefined) {
        emit(1);
        open(kind);
        return;
      }
      window.count += 1;
      window.emit = emit;
    },
    close() {
      for (const window of windows.values()) {
        window.stop();
        if (window.count > 0) window.emit(window.count);
      }
      windows.clear();
    },
  };
}
