import { executeAndAnswer } from '../support/counting-backend.ts';
import { finish, inExecution, lmdbStage } from '../support/lmdb-stage.ts';
import { seededRandom } from '../support/seeded.ts';
import { keyed, problemCode, sendRequest, until } from '../support/send-request.ts';
import {
  exactly,
  type FaultResult,
  type FaultRun,
  type FaultScript,
  runAlone,
  told,
} from './fault-script.ts';

/**
 * Fault 30: the holder of a claim is stopped for longer than three leases while its request is at the backend. Its
 * late answer must complete the key that has become unknown meanwhile, and nothing may be executed twice.
 */
export const FAULT: FaultScript = {
  name: 'stalled-holder',
  promise:
    'A holder stopped (SIGSTOP) for longer than three leases delays: its key is unknown meanwhile, is completed by the late answer, and is never executed again.',
  quickMsMax: 20_000,
  run,
};

const LEASE_MS = 1_500;

async function run({ form, seed, say }: FaultRun): Promise<FaultResult> {
  const random = seededRandom(seed);
  const rounds = form === 'quick' ? 1 : 20;
  const closers: (() => Promise<void> | void)[] = [];
  let doubles = 0;
  let unknownMeanwhile = 0;
  let completedLate = 0;
  try {
    const { backend, start } = await lmdbStage(closers);
    const config = { defaults: { lease: `${LEASE_MS}ms`, inFlight: 'reject' } };
    const steady = await start(config);
    const stalled = await start(config);
    for (let round = 0; round < rounds; round += 1) {
      const key = `stall-${seed}-${round}`;
      const { arrival, answer } = await inExecution(backend, stalled, key);
      stalled.signal('SIGSTOP');
      const stoppedMs = performance.now();
      const stallMs = LEASE_MS * (3 + random());
      const meanwhile = await until(
        () => sendRequest(steady.port, { headers: keyed(key) }),
        (seen) => problemCode(seen) !== 'in-flight',
      );
      if (problemCode(meanwhile) === 'outcome-unknown') unknownMeanwhile += 1;
      finish(arrival);
      await until(
        async () => performance.now() - stoppedMs,
        (stoppedForMs) => stoppedForMs >= stallMs,
      );
      stalled.signal('SIGCONT');
      await answer;
      backend.behave(executeAndAnswer);
      const repeat = await until(
        () => sendRequest(steady.port, { headers: keyed(key) }),
        (seen) => seen.status === 201,
      );
      if (repeat.headers['idempotent-replayed'] === 'true') completedLate += 1;
      if (backend.executions(key) !== 1) doubles += 1;
      if (round % 5 === 4) say(`${round + 1} of ${rounds} stalls`);
    }
  } finally {
    for (const close of closers.reverse()) await close();
  }
  return {
    figures: [
      told('holders stopped for three to four leases', rounds),
      exactly('keys executed twice', doubles, 0),
      exactly('told unknown meanwhile', unknownMeanwhile, rounds),
      exactly('completed by the late answer', completedLate, rounds),
    ],
    versions: [],
  };
}

await runAlone(import.meta.url, FAULT);
