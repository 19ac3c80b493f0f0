import type { Worker } from 'node:cluster';
import type { NotReady } from '../admin/health.ts';
import { addUpObserved, type ObservedRoute } from '../core/observed.ts';
import { addUp, withoutGauges } from '../observe/add-up.ts';
import type { SampleFamily } from '../observe/exposition.ts';
import type { Report } from './messages.ts';

/** The counts of all workers, those that have ended included: a sum must never go backwards. */
export type Ledger = {
  enter(worker: number, process: Worker): void;
  record(process: Worker, report: Report): void;
  /** It has ended: its last counts stay, its gauges go. */
  retire(process: Worker): void;
  /** Asks all, waits for COLLECT_MS at most. Of one that does not answer the last counts are taken. */
  collect(ask: (process: Worker) => void): Promise<Collected>;
  /** As last reported: not older than a second, but of a worker that hangs. */
  inFlight(): number;
  inFlightOf(process: Worker): number;
  /** Of every worker that listens, as last reported. */
  notReady(): readonly (NotReady | null)[];
};

export type Collected = {
  readonly counted: readonly SampleFamily[];
  /** Of those that answered in time. */
  readonly ofProcesses: readonly { readonly worker: number; readonly families: readonly SampleFamily[] }[];
  readonly inFlight: number;
  readonly observed: readonly ObservedRoute[];
};

const COLLECT_MS = 500;

type Account = {
  readonly worker: number;
  last: Report | null;
  /** Of the last answer to a question. */
  ofProcess: readonly SampleFamily[];
  /** As last reported. */
  observed: readonly ObservedRoute[];
  /** Asked, and no answer yet. */
  asked: 'no' | 'yes';
  onAnswer: (() => void) | null;
};

export function createLedger(): Ledger {
  const accounts = new Map<Worker, Account>();
  let departed: readonly SampleFamily[] = [];
  let departedObserved: readonly ObservedRoute[] = [];
  let collecting: Promise<Collected> | null = null;

  const inFlight = (): number =>
    [...accounts.values()].reduce((sum, { last }) => sum + (last?.inFlight ?? 0), 0);

  const answered = (account: Account): void => {
    account.asked = 'no';
    account.onAnswer?.();
    account.onAnswer = null;
  };

  const collect = async (ask: (process: Worker) => void): Promise<Collected> => {
    const answers = askAll(accounts, ask);
    await within(Promise.all(answers));
    const all = [...accounts.values()];
    return {
      counted: addUp([departed, ...all.map(({ last }) => last?.counted ?? [])]),
      ofProcesses: all.flatMap(({ worker, ofProcess, asked }) =>
        asked === 'yes' ? [] : [{ worker, families: ofProcess }],
      ),
      inFlight: inFlight(),
      observed: addUpObserved([departedObserved, ...all.map(({ observed }) => observed)]),
    };
  };

  return {
    enter(worker, process) {
      accounts.set(process, {
        worker,
        last: null,
        ofProcess: [],
        observed: [],
        asked: 'no',
        onAnswer: null,
      });
    },
    record(process, report) {
      const account = accounts.get(process);
      if (account === undefined) return;
      account.last = report;
      if (report.observed !== null) account.observed = report.observed;
      if (report.ofProcess === null) return;
      account.ofProcess = report.ofProcess;
      answered(account);
    },
    retire(process) {
      const account = accounts.get(process);
      if (account === undefined) return;
      accounts.delete(process);
      departed = addUp([departed, withoutGauges(account.last?.counted ?? [])]);
      departedObserved = addUpObserved([departedObserved, account.observed]);
      answered(account);
    },
    inFlight,
    notReady: () => [...accounts.values()].map(({ last }) => last?.notReady ?? null),
    inFlightOf: (process) => accounts.get(process)?.last?.inFlight ?? 0,
    async collect(ask) {
      // Scrapes at the same moment share one round.
      collecting ??= collect(ask).finally(() => {
        collecting = null;
      });
      return await collecting;
    },
  };
}

function askAll(
  accounts: ReadonlyMap<Worker, Account>,
  ask: (process: Worker) => void,
): readonly Promise<void>[] {
  const answers: Promise<void>[] = [];
  for (const [process, account] of accounts) {
    // One that hangs has cost the first scrape its patience; the later ones do not wait for it again.
    if (account.asked === 'yes') continue;
    account.asked = 'yes';
    answers.push(
      new Promise((resolve) => {
        account.onAnswer = resolve;
      }),
    );
    ask(process);
  }
  return answers;
}

async function within(answers: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, COLLECT_MS);
  });
  try {
    await Promise.race([answers, late]);
  } finally {
    clearTimeout(timer);
  }
}
