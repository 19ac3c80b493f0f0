import cluster, { type Worker } from 'node:cluster';
import type { NotReady } from '../admin/health.ts';
import type { ResolvedConfig } from '../config/resolved.ts';
import { unreachable } from '../core/unreachable.ts';
import { type Collected, createLedger } from './ledger.ts';
import { type FromWorker, fromWorker, type ToWorker } from './messages.ts';
import { afterEnd, FAILED_STARTS_MAX } from './restart-policy.ts';

/**
 * The workers, started and started again by the primary. They share one listening socket and each takes connections
 * from it itself (docs/decisions/0010): nothing of a request passes through the primary, and a connection is either in a
 * worker or still in the queue of the socket, where any other worker finds it.
 */
export type Crew = {
  listening(): number;
  /** As last reported. */
  inFlight(): number;
  /** Of every worker that listens. */
  notReady(): readonly (NotReady | null)[];
  status(): readonly WorkerStatus[];
  /** What all workers, those that have ended included, have counted. Bounded in time, never rejects. */
  collect(): Promise<Collected>;
  reload(config: ResolvedConfig): void;
  /** Asks every worker to drain; those that live after timeoutMs are killed. Says how many were. */
  drain(timeoutMs: number): Promise<{ readonly killed: number }>;
  /** SIGKILL to all, at once. */
  endNow(): void;
};

export type WorkerStatus = {
  readonly worker: number;
  /** Null between the end of one and the start of the next. */
  readonly pid: number | null;
  readonly state: 'starting' | 'listening' | 'ended';
  /** As last reported. */
  readonly inFlight: number;
};

export type WorkerGone = {
  readonly worker: number;
  readonly pid: number;
  /** Exit code or signal. */
  readonly cause: string;
  /** What it said itself, where it could not start; empty otherwise. */
  readonly message: string;
};

export type CrewOptions = {
  readonly workers: number;
  /** The file that a worker process runs. */
  readonly entry: string;
  /** Of a worker: its share. */
  readonly config: ResolvedConfig;
  readonly version: string;
  readonly monotonicMs: () => number;
  /** A worker ended that nobody had asked to, and is started again. */
  readonly onRestart: (gone: WorkerGone, delayMs: number) => void;
  readonly onListening: (worker: number, pid: number) => void;
  /** Workers end as often as they are started, and none serves: the whole is over. */
  readonly onGivenUp: (message: string) => void;
};

type Slot = {
  readonly number: number;
  process: Worker | null;
  state: WorkerStatus['state'];
  listeningSinceMs: number | null;
  failedStarts: number;
  /** What the process said before it ended. */
  message: string;
  timer: NodeJS.Timeout | null;
  onEnded: (() => void) | null;
};

/** Rejects with the message of the first worker that could not be started; then none is left. */
export async function startCrew(options: CrewOptions): Promise<Crew> {
  // Round robin would pass every connection through the primary, and loses those on their way to a worker that dies.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  cluster.setupPrimary({ exec: options.entry, args: [], serialization: 'advanced' });
  const crew = new RunningCrew(options);
  try {
    await crew.start();
    return crew;
  } catch (error) {
    crew.endNow();
    throw error;
  }
}

class RunningCrew implements Crew {
  readonly #options: CrewOptions;
  readonly #slots: readonly Slot[];
  readonly #ledger;
  #config: ResolvedConfig;
  #phase: 'starting' | 'running' | 'ending' = 'starting';

  constructor(options: CrewOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#slots = Array.from({ length: options.workers }, (_, number) => ({
      number,
      process: null,
      state: 'ended',
      listeningSinceMs: null,
      failedStarts: 0,
      message: '',
      timer: null,
      onEnded: null,
    }));
    this.#ledger = createLedger();
  }

  async start(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => this.#first(slot)));
    this.#phase = 'running';
    // One that listened and ended while others were still starting.
    for (const slot of this.#slots) if (slot.process === null) this.#again(slot);
  }

  /** Resolves once it listens. */
  #first(slot: Slot): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#fork(slot, resolve, (gone) => {
        const why =
          gone.message === '' ? `worker ${gone.worker} ended at its start: ${gone.cause}` : gone.message;
        if (this.#phase === 'starting') reject(new Error(why));
        else this.#ended(slot, gone);
      });
    });
  }

  listening(): number {
    return this.#slots.filter(({ state }) => state === 'listening').length;
  }

  inFlight(): number {
    return this.#ledger.inFlight();
  }

  notReady(): readonly (NotReady | null)[] {
    return this.#ledger.notReady();
  }

  status(): readonly WorkerStatus[] {
    return this.#slots.map(({ number, process, state }) => ({
      worker: number,
      pid: process?.process.pid ?? null,
      state,
      inFlight: process === null ? 0 : this.#ledger.inFlightOf(process),
    }));
  }

  collect(): Promise<Collected> {
    return this.#ledger.collect((worker) => this.#say(worker, { kind: 'collect' }));
  }

  reload(config: ResolvedConfig): void {
    this.#config = config;
    // One that is still starting reads it right after its start.
    for (const { process } of this.#slots)
      if (process !== null) this.#say(process, { kind: 'reload', config });
  }

  async drain(timeoutMs: number): Promise<{ readonly killed: number }> {
    this.#phase = 'ending';
    const ends = this.#slots.map((slot) => {
      if (slot.timer !== null) clearTimeout(slot.timer);
      const { process } = slot;
      if (process === null) return Promise.resolve();
      return new Promise<void>((resolve) => {
        slot.onEnded = resolve;
        this.#say(process, { kind: 'drain' });
      });
    });
    let killed = 0;
    const timer = setTimeout(() => {
      killed = this.#slots.filter(({ process }) => process !== null).length;
      this.endNow();
    }, timeoutMs);
    await Promise.all(ends);
    clearTimeout(timer);
    return { killed };
  }

  endNow(): void {
    this.#phase = 'ending';
    for (const { timer, process } of this.#slots) {
      if (timer !== null) clearTimeout(timer);
      process?.process.kill('SIGKILL');
    }
  }

  #fork(slot: Slot, onListening: () => void, onGone: (gone: WorkerGone) => void): void {
    const process = cluster.fork();
    slot.process = process;
    slot.state = 'starting';
    slot.listeningSinceMs = null;
    slot.message = '';
    // A message to a worker that has just ended is no event of its own: its end is.
    process.on('error', () => undefined);
    process.on('message', (message: unknown) => {
      const said = fromWorker(message);
      if (said !== null) this.#hear(slot, process, said, onListening);
    });
    // After the end of the channel, so that its last report has been read.
    whenOver(process, (cause) => {
      this.#ledger.retire(process);
      const gone = { worker: slot.number, pid: process.process.pid ?? 0, cause, message: slot.message };
      slot.process = null;
      slot.state = 'ended';
      slot.onEnded?.();
      onGone(gone);
    });
    this.#say(process, { kind: 'start', config: this.#config, version: this.#options.version });
  }

  #hear(slot: Slot, process: Worker, said: FromWorker, onListening: () => void): void {
    switch (said.kind) {
      case 'listening':
        slot.state = 'listening';
        slot.listeningSinceMs = this.#options.monotonicMs();
        this.#ledger.enter(slot.number, process);
        onListening();
        return;
      case 'failed':
        slot.message = said.message;
        return;
      case 'report':
        this.#ledger.record(process, said);
        return;
      default:
        unreachable(said);
    }
  }

  #again(slot: Slot): void {
    this.#fork(
      slot,
      () => this.#options.onListening(slot.number, slot.process?.process.pid ?? 0),
      (gone) => this.#ended(slot, gone),
    );
  }

  #ended(slot: Slot, gone: WorkerGone): void {
    if (this.#phase === 'ending') return;
    const { listeningSinceMs, failedStarts } = slot;
    const decision = afterEnd({
      listenedMs: listeningSinceMs === null ? null : this.#options.monotonicMs() - listeningSinceMs,
      failedStarts,
      othersListening: this.listening(),
    });
    if (decision.kind === 'give-up') {
      const why = gone.message === '' ? gone.cause : gone.message;
      this.#options.onGivenUp(
        `workers end right after their start (${FAILED_STARTS_MAX} times in a row) and none is left: ${why}`,
      );
      return;
    }
    slot.failedStarts = decision.failedStarts;
    this.#options.onRestart(gone, decision.delayMs);
    slot.timer = setTimeout(() => {
      slot.timer = null;
      this.#again(slot);
    }, decision.delayMs);
  }

  #say(process: Worker, message: ToWorker): void {
    if (process.isConnected()) process.send(message);
  }
}

/** Both have to happen, in either order: the end of the process and that of the channel, which may hold a last report. */
function whenOver(process: Worker, over: (cause: string) => void): void {
  let cause: string | null = null;
  let channel: 'open' | 'closed' = 'open';
  const look = (): void => {
    if (cause !== null && channel === 'closed') over(cause);
  };
  process.on('exit', (code: number | null, signal: string | null) => {
    cause = signal ?? `exit code ${code}`;
    look();
  });
  process.on('disconnect', () => {
    channel = 'closed';
    look();
  });
}
