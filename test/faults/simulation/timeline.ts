import process from 'node:process';

/**
 * Virtual time: a queue of events, and the global timers and `performance.now()` on top of it, so that the engine runs
 * as it is. Nothing here waits: time jumps to the next event.
 */

/** Whose event it is. What a dead party had planned never happens; what a stalled one had planned happens later. */
export type Party = {
  readonly name: string;
  state: 'alive' | 'dead';
  stalledUntilMs: number;
  /** Its monotonic clock began at another time than the world's. */
  readonly clockOffsetMs: number;
  /** Events until `onFuse` runs in place of the next one, which then follows if the party still can; 0: never. */
  fuse: number;
  onFuse: () => void;
};

export function createParty(name: string, clockOffsetMs = 0): Party {
  return { name, state: 'alive', stalledUntilMs: 0, clockOffsetMs, fuse: 0, onFuse: () => undefined };
}

type Task = { atMs: number; readonly order: number; readonly party: Party; run: (() => void) | null };

/** A history that needs more events than this does not end. */
const EVENTS_MAX = 60_000;

export class Timeline {
  nowMs = 0;
  events = 0;
  /** Clients, network, store and backend: what no crash of a proxy takes along. */
  readonly world = createParty('world');
  running: Party = this.world;
  #order = 0;
  readonly #heap: Task[] = [];

  after(party: Party, delayMs: number, run: () => void): Task {
    this.#order += 1;
    const task = { atMs: this.nowMs + Math.max(0, delayMs), order: this.#order, party, run };
    this.#push(task);
    return task;
  }

  /** Until nothing is left to happen. Each event is followed by every microtask that it causes. */
  run(): 'quiet' | 'endless' {
    for (;;) {
      const task = this.#pop();
      if (task === undefined) return 'quiet';
      const { party } = task;
      if (task.run === null || party.state === 'dead') continue;
      if (party.stalledUntilMs > task.atMs) {
        // As a block: the order of what was due meanwhile stays.
        task.atMs = party.stalledUntilMs;
        this.#push(task);
        continue;
      }
      this.nowMs = task.atMs;
      if (party.fuse > 0) {
        party.fuse -= 1;
        if (party.fuse === 0) {
          this.#enter(this.world, party.onFuse);
          this.#push(task);
          continue;
        }
      }
      this.events += 1;
      if (this.events > EVENTS_MAX) return 'endless';
      const { run } = task;
      task.run = null;
      this.#enter(party, run);
    }
  }

  #enter(party: Party, run: () => void): void {
    this.running = party;
    run();
    runMicrotasks();
    this.running = this.world;
  }

  #push(task: Task): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(task);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !before(task, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = task;
  }

  #pop(): Task | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      const left = heap[below];
      if (left === undefined) break;
      const right = heap[below + 1];
      let child = left;
      if (right !== undefined && before(right, left)) {
        child = right;
        below += 1;
      }
      if (!before(child, last)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = last;
    return first;
  }
}

function before(a: Task, b: Task): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/**
 * Runs microtasks and ticks until none is left, from within an event: the loop of Node has this function and does not
 * document it. A number of awaited turns would be a guess.
 */
function runMicrotasks(): void {
  const { _tickCallback } = process as unknown as { readonly _tickCallback?: () => void };
  if (_tickCallback === undefined) throw new Error('this Node cannot run its microtasks on demand');
  _tickCallback.call(process);
}

const real = {
  setTimeout: globalThis.setTimeout,
  setInterval: globalThis.setInterval,
  clearTimeout: globalThis.clearTimeout,
  clearInterval: globalThis.clearInterval,
  setImmediate: globalThis.setImmediate,
};

class VirtualTimer {
  readonly #timeline: Timeline;
  readonly #party: Party;
  readonly #run: () => void;
  readonly #ms: number;
  readonly #repeats: 'once' | 'repeats';
  #task: Task | null = null;

  constructor(timeline: Timeline, run: () => void, ms: number, repeats: 'once' | 'repeats') {
    this.#timeline = timeline;
    this.#party = timeline.running;
    this.#run = run;
    this.#ms = ms >= 1 ? Math.trunc(ms) : 1;
    this.#repeats = repeats;
    this.refresh();
  }

  refresh(): this {
    this.close();
    this.#task = this.#timeline.after(this.#party, this.#ms, () => {
      if (this.#repeats === 'repeats') this.refresh();
      this.#run();
    });
    return this;
  }

  close(): void {
    if (this.#task !== null) this.#task.run = null;
    this.#task = null;
  }

  unref(): this {
    return this;
  }
}

/** Runs `body`, which must not wait, with the timeline's clock and timers in place of the real ones. */
export function withVirtualTime<Result>(timeline: Timeline, body: () => Result): Result {
  const start =
    (repeats: 'once' | 'repeats') =>
    (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
      new VirtualTimer(timeline, () => run(...args), ms, repeats);
  const clear = (timer: unknown): void => {
    if (timer instanceof VirtualTimer) timer.close();
  };
  Object.assign(globalThis, {
    setTimeout: start('once'),
    setInterval: start('repeats'),
    clearTimeout: clear,
    clearInterval: clear,
    setImmediate: (run: (...args: unknown[]) => void, ...args: unknown[]) =>
      timeline.after(timeline.running, 0, () => run(...args)),
  });
  // Thousands of errors are expected ones, and nobody reads where they come from.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  performance.now = () => timeline.nowMs + timeline.running.clockOffsetMs;
  try {
    return body();
  } finally {
    Object.assign(globalThis, real);
    Error.stackTraceLimit = stackTraceLimit;
    // The clock's own function is the prototype's.
    Reflect.deleteProperty(performance, 'now');
  }
}

/**
 * Runs `body` outside every microtask: inside one no other can be run on demand. Between two calls the real world,
 * such as a test runner, gets its turn.
 */
export function outsideMicrotasks<Result>(body: () => Result): Promise<Result> {
  return new Promise((resolve, reject) => {
    real.setImmediate(() => {
      try {
        resolve(body());
      } catch (error) {
        reject(error);
      }
    });
  });
}
