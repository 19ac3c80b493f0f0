import cluster from 'node:cluster';
import process from 'node:process';
import { type NotReady, roomCheck } from './admin/health.ts';
import { withoutZeros } from './observe/add-up.ts';
import { openLogSink } from './observe/log-sink.ts';
import { type Base, CLOSE_LOG_MS, createEngine, type DrainState, monotonicMs, openBase } from './parts.ts';
import { adopt, DRAIN_REST_MS, drainProxying, type Proxying, startProxying } from './proxying.ts';
import { type FromWorker, type Report, type ToWorker, toWorker } from './workers/messages.ts';

/**
 * A worker: the process that `src/workers/crew.ts` starts. Edge file: it hears signals and ends the process. It takes
 * requests and nothing else; whatever is done once is done by the primary.
 */

/** Counts that were never reported are lost when a worker is killed: this much of them at most. */
const REPORT_MS = 1_000;
/** For the end of store, log and process. */
const END_MS = 3_000;
/** Reports that come by themselves may cost a hundredth of the time. */
const REPORT_COST_FACTOR = 100;

type Running = { readonly config: Start['config']; readonly base: Base; readonly proxying: Proxying };
type Start = Extract<ToWorker, { kind: 'start' }>;

let running: Promise<Running> | null = null;
let ending: 'no' | 'yes' = 'no';

async function start({ config, version }: Start): Promise<Running> {
  const base = await openBase({
    config,
    version,
    logDestination: openLogSink(1, { use: 'shared' }),
    workersListening: () => 1,
  });
  const drainState: DrainState = { phase: 'serving', asked: () => undefined };
  const engine = createEngine(config, base, drainState);
  try {
    const proxying = await startProxying(config, base, engine, drainState);
    return { config, base, proxying };
  } catch (error) {
    await base.opened.store.close();
    throw error;
  }
}

async function begin(message: Start): Promise<void> {
  running = start(message);
  try {
    const started = await running;
    await say({ kind: 'listening' });
    void reportNowAndThen(started).catch(defect);
  } catch (error) {
    await say({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
    process.exit(1);
  }
}

/** `orphaned`: the primary is gone, and with it the port that would tell a balancer to wait. */
async function end(why: 'asked' | 'orphaned'): Promise<void> {
  if (ending === 'yes') return;
  ending = 'yes';
  if (running === null) process.exit(0);
  const ended = await running;
  const { config, base, proxying } = ended;
  const delayMs = why === 'asked' ? config.drain.delayMs : 0;
  // Nobody kills a worker whose primary is gone: whatever hangs here must not keep it for ever.
  setTimeout(() => process.exit(1), delayMs + config.drain.timeoutMs + DRAIN_REST_MS + END_MS).unref();
  await report(ended, null);
  await drainProxying({ ...config, drain: { ...config.drain, delayMs } }, proxying);
  await base.opened.store.close();
  await base.log.close(CLOSE_LOG_MS);
  await report(ended, null);
  process.exit(0);
}

const DRAINING: NotReady = { check: 'draining', reason: 'draining' };

/** Resolves with what it cost this process, in milliseconds, once it is out. */
async function report(
  { base: { metrics, overload }, proxying }: Pick<Running, 'base' | 'proxying'>,
  ofProcess: Report['ofProcess'],
): Promise<number> {
  const notReady = ending === 'yes' ? DRAINING : await roomCheck(overload)();
  const startMs = monotonicMs();
  const counted = withoutZeros(metrics.counted());
  const observed = proxying.engine.observed.routesIfChanged();
  const inFlight = metrics.inFlight.value();
  const said = say({ kind: 'report', counted, ofProcess, observed, inFlight, notReady });
  const costMs = monotonicMs() - startMs;
  await said;
  return costMs;
}

/** One at a time: a primary that is stopped reads nothing, and reports must not pile up for it. */
async function reportNowAndThen(of: Running): Promise<void> {
  const costMs = await report(of, null);
  const waitMs = Math.max(REPORT_MS, costMs * REPORT_COST_FACTOR);
  setTimeout(() => void reportNowAndThen(of).catch(defect), waitMs).unref();
}

async function hear(message: ToWorker): Promise<void> {
  if (message.kind === 'start') return await begin(message);
  if (message.kind === 'drain') return await end('asked');
  if (running === null) return;
  const { base, proxying } = await running;
  if (message.kind === 'reload') adopt(proxying, message.config);
  else await report({ base, proxying }, await base.metrics.ofProcess());
}

/** Resolves when the message is out, or when there is nobody left to hear it. */
function say(message: FromWorker): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, undefined, {}, () => resolve());
  });
}

function defect(error: unknown): never {
  process.stderr.write(
    `onceward worker: ${error instanceof Error ? (error.stack ?? error.message) : error}\n`,
  );
  process.exit(1);
}

process.on('message', (received: unknown) => {
  const message = toWorker(received);
  if (message !== null) hear(message).catch(defect);
});
// A terminal signals the whole group: these are for the primary, which tells what follows from them.
process.on('SIGINT', () => undefined);
process.on('SIGHUP', () => undefined);
// To the group too, from some supervisors; to a worker alone, by an operator: the primary starts another one after it.
process.on('SIGTERM', () => void end('asked').catch(defect));
// What could not be sent to a primary that is gone.
cluster.worker?.on('error', () => undefined);
cluster.worker?.on('disconnect', () => {
  // node:cluster would end the process here and now, and with it what is in flight.
  if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true;
  end('orphaned').catch(defect);
});
