import { Agent } from 'node:http';
import type { CountingBackend } from '../support/counting-backend.ts';
import { seededRandom } from '../support/seeded.ts';
import { keyed, sendRequest } from '../support/send-request.ts';
import { exactly, type Figure, told } from './fault-script.ts';
import { createLatencies, type Latencies } from './latencies.ts';
import { type Heard, readAnswer } from './read-answer.ts';

/**
 * Clients as they should be: POST with a key of their own, and on a broken connection or a retryable problem again with
 * the same key and body, until the answer is final. Every answer is held against the ledger of the counting backend,
 * which runs in this process and must answer as `executeAndAnswer` does, at whatever moment.
 */
export type LoadOptions = {
  readonly backend: CountingBackend;
  /** Where proxies listen now; asked before every attempt. Empty: the client waits. */
  readonly ports: () => readonly number[];
  /** Requests under way at once. */
  readonly clients: number;
  /** At most so many keys: `KEYPREFIX-0`, `KEYPREFIX-1` … */
  readonly keys: number;
  readonly seed: number;
  readonly keyPrefix: string;
  /** Aborted: no new keys; those begun are brought to their end. */
  readonly stop?: AbortSignal;
  /** New keys a second; default: as fast as the clients go. Latency then counts from the time a key was due. */
  readonly pacePerSecond?: number;
  /** Share of charged keys that is repeated once more, to see the same answer again; default 0.1. */
  readonly repeatShare?: number;
  /** A key without a final answer by then counts as given up; default 30 s. */
  readonly keyMsMax?: number;
  /** Requests for one answer; 2 is a single retry, at another port. Default: as many as the time allows. */
  readonly attemptsMax?: number;
  /** An attempt without an answer by then counts as a broken connection; default 10 s. */
  readonly attemptMsMax?: number;
  /** Upper bound of the wait before a retry, whatever `Retry-After` says; default 50 ms. */
  readonly retryMsMax?: number;
  /** Told once a key. */
  readonly onEnd?: (key: string, end: LoadEnd) => void;
};

/** refused: a problem that is neither retryable nor an unknown outcome, or an answer of no known kind. */
export type LoadEnd = 'charged' | 'unknown' | 'gave-up' | 'refused';

export type LoadResult = {
  /** Begun; all ends together. */
  readonly keys: number;
  readonly charged: number;
  readonly unknown: number;
  readonly gaveUp: number;
  readonly refused: number;
  /** Keys that the backend executed more than once. */
  readonly doubles: number;
  /** Keys said to be not executed when the backend had executed them. */
  readonly falselyNotExecuted: number;
  /** Answers with the bytes of another key or execution, or without an execution. */
  readonly wrongReplays: number;
  /** Charged keys that were repeated and gave the same bytes. */
  readonly repeatsSame: number;
  readonly attempts: number;
  readonly seconds: number;
  /** From a key's first attempt, or from when it was due, to its final answer; within 5 %. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** How often each kind of answer came: `201`, `in-flight`, `connection` … */
  readonly answers: Readonly<Record<string, number>>;
  /** The first few violations, for whoever looks for the cause. */
  readonly examples: readonly string[];
};

const EXAMPLES_MAX = 10;
const CONNECTION_RETRY_MS = 5;

export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const { clients, keys, keyPrefix, stop, pacePerSecond } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: clients, maxFreeSockets: clients });
  const run = createRun(options, agent);
  const startMs = performance.now();
  let begun = 0;
  const client = async (random: () => number): Promise<void> => {
    while (begun < keys && stop?.aborted !== true) {
      const n = begun;
      begun += 1;
      const dueMs = pacePerSecond === undefined ? performance.now() : startMs + (n * 1000) / pacePerSecond;
      await pause(dueMs - performance.now());
      await bringToEnd(run, `${keyPrefix}-${n}`, dueMs, random);
    }
  };
  try {
    await Promise.all(
      Array.from({ length: clients }, (_, n) => client(seededRandom(options.seed * 1_000_003 + n))),
    );
  } finally {
    agent.destroy();
  }
  const { ends, seen, took, answers } = run;
  return {
    keys: begun,
    charged: ends.charged,
    unknown: ends.unknown,
    gaveUp: ends['gave-up'],
    refused: ends.refused,
    doubles: countDoubles(options.backend, keyPrefix, begun),
    falselyNotExecuted: seen.falselyNotExecuted,
    wrongReplays: seen.wrongReplays,
    repeatsSame: seen.repeatsSame,
    attempts: seen.attempts,
    seconds: Math.round(performance.now() - startMs) / 1000,
    p50Ms: took.at(0.5),
    p99Ms: took.at(0.99),
    answers: Object.fromEntries([...answers].sort(([a], [b]) => a.localeCompare(b))),
    examples: run.examples,
  };
}

/** Keys of a load that the backend has executed more than once by now: an execution may come late. */
export function countDoubles(backend: CountingBackend, keyPrefix: string, keys: number): number {
  let doubles = 0;
  for (let n = 0; n < keys; n += 1) if (backend.executions(`${keyPrefix}-${n}`) > 1) doubles += 1;
  return doubles;
}

/** The rows every script with a load shares. `prefix` begins each, such as `lmdb: `. */
export function loadFigures(result: LoadResult, prefix = ''): readonly Figure[] {
  const rows = [
    told('keys sent', result.keys),
    told('attempts', result.attempts),
    exactly('keys executed twice', result.doubles, 0),
    exactly('keys called "not executed" that the backend had executed', result.falselyNotExecuted, 0),
    exactly('answers of another key or execution', result.wrongReplays, 0),
    exactly('keys without a final answer', result.gaveUp + result.refused, 0),
    told('keys charged', result.charged),
    told('keys told unknown', result.unknown),
    told('charged keys repeated, with the same bytes', result.repeatsSame),
  ];
  return rows.map((row) => ({ ...row, what: `${prefix}${row.what}` }));
}

type Run = {
  readonly options: LoadOptions;
  readonly agent: Agent;
  readonly ends: Record<LoadEnd, number>;
  readonly seen: { attempts: number; falselyNotExecuted: number; wrongReplays: number; repeatsSame: number };
  readonly took: Latencies;
  readonly answers: Map<string, number>;
  readonly examples: string[];
};

function createRun(options: LoadOptions, agent: Agent): Run {
  return {
    options,
    agent,
    ends: { charged: 0, unknown: 0, 'gave-up': 0, refused: 0 },
    seen: { attempts: 0, falselyNotExecuted: 0, wrongReplays: 0, repeatsSame: 0 },
    took: createLatencies(),
    answers: new Map(),
    examples: [],
  };
}

async function bringToEnd(run: Run, key: string, dueMs: number, random: () => number): Promise<void> {
  const { options, ends, took, seen } = run;
  const asked = await askUntilFinal(run, key, random);
  const { final } = asked;
  took.add(performance.now() - dueMs);
  const end: LoadEnd = final === null ? 'gave-up' : final.kind;
  // Said last, and true then: an execution that came afterwards makes it false all the same.
  if (end !== 'charged' && asked.lastExecuted === 'no') checkNotExecuted(run, key, 'at its end');
  if (final?.kind === 'charged') {
    checkCharged(run, key, final);
    if (random() < (options.repeatShare ?? 0.1)) {
      const again = (await askUntilFinal(run, key, random)).final;
      if (again?.kind === 'charged' && again.text === final.text && again.replayed === 'yes')
        seen.repeatsSame += 1;
      else if (again?.kind === 'charged') violation(run, 'wrongReplays', `${key}: repeat ${again.text}`);
    }
  }
  ends[end] += 1;
  options.onEnd?.(key, end);
}

type Final = Exclude<Heard, { readonly kind: 'retry' }>;

/** Null: no final answer within the time for a key. */
async function askUntilFinal(
  run: Run,
  key: string,
  random: () => number,
): Promise<{ readonly final: Final | null; readonly lastExecuted: string }> {
  const { options } = run;
  const endMs = performance.now() + (options.keyMsMax ?? 30_000);
  let lastExecuted = '';
  let before = -1;
  let left = options.attemptsMax ?? Number.POSITIVE_INFINITY;
  while (left > 0 && performance.now() < endMs) {
    const ports = options.ports();
    // Another than the last, where there is one.
    const others = ports.length > 1 ? ports.filter((port) => port !== before) : ports;
    const port = others[Math.floor(random() * others.length)];
    if (port === undefined) {
      await pause(CONNECTION_RETRY_MS);
      continue;
    }
    before = port;
    left -= 1;
    const heard = await attempt(run, key, port);
    lastExecuted = heard.executed;
    // Only this client asks for the key, one request at a time: what the ledger holds now was there before.
    if (heard.executed === 'no') checkNotExecuted(run, key, heard.word);
    if (heard.kind !== 'retry') return { final: heard, lastExecuted };
    await pause(Math.min(heard.waitMs, options.retryMsMax ?? 50) * (0.5 + random() / 2));
  }
  return { final: null, lastExecuted };
}

async function attempt(run: Run, key: string, port: number): Promise<Heard> {
  const { options, agent, seen, answers } = run;
  seen.attempts += 1;
  let heard: Heard;
  try {
    heard = readAnswer(
      await sendRequest(port, {
        headers: keyed(key),
        body: JSON.stringify({ charge: key }),
        agent,
        signal: AbortSignal.timeout(options.attemptMsMax ?? 10_000),
      }),
    );
  } catch {
    // What became of it is what the next attempt asks.
    heard = { kind: 'retry', word: 'connection', executed: '', waitMs: CONNECTION_RETRY_MS };
  }
  answers.set(heard.word, (answers.get(heard.word) ?? 0) + 1);
  return heard;
}

function checkNotExecuted(run: Run, key: string, word: string): void {
  if (run.options.backend.executions(key) > 0)
    violation(run, 'falselyNotExecuted', `${key}: said not executed (${word})`);
}

function checkCharged(run: Run, key: string, final: Extract<Heard, { readonly kind: 'charged' }>): void {
  if (final.key !== key || run.options.backend.executions(key) === 0)
    violation(run, 'wrongReplays', `${key}: answered ${final.text}`);
}

function violation(run: Run, kind: 'falselyNotExecuted' | 'wrongReplays', example: string): void {
  run.seen[kind] += 1;
  if (run.examples.length < EXAMPLES_MAX) run.examples.push(example);
}

async function pause(ms: number): Promise<void> {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
}
