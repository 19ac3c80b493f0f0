import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { configFromFlags } from '../config/from-flags.ts';
import type { App } from '../lifecycle.ts';
import { type LedgerBackend, startLedger } from './demo/ledger.ts';
import { startLossyHop } from './demo/lossy-hop.ts';
import { type Attempt, chargeWithRetries } from './demo/retrying-client.ts';
import type { Io } from './io.ts';
import { version } from './version.ts';

export const DEMO_USAGE = `onceward demo [--store memory: | lmdb:PATH | redis://HOST:PORT]

Runs a payments backend with a real SQLite ledger, a network that loses every other answer, and a client that
tries again; first without Onceward, then with it in front of the backend. Prints every attempt and counts the
charges in the ledger. Exits 0 when Onceward made one charge of it, 1 when not.`;

type Round = { readonly attempts: readonly Attempt[]; readonly charges: number };

export async function runDemo(args: readonly string[], io: Io): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { store: { type: 'string' } }, strict: true });
  const folder = await mkdtemp(join(tmpdir(), 'onceward-demo-'));
  const ledger = await startLedger(join(folder, 'ledger.sqlite'));
  try {
    const app = await startProxy(ledger.port, values.store ?? `lmdb:${join(folder, 'store')}`, io);
    try {
      return await runRounds(ledger, app.address.port, io);
    } finally {
      await app.drain();
    }
  } finally {
    await ledger.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function runRounds(ledger: LedgerBackend, proxyPort: number, io: Io): Promise<number> {
  io.out(
    'One customer pays once. The client sends an Idempotency-Key and tries again when it hears nothing.\n\n',
  );
  io.out('1. The backend charges, and the answer is lost on its way to the client\n');
  const bare = await lostAnswer(ledger, ledger.port);
  const guarded = await lostAnswer(ledger, proxyPort);
  show(io, 'without Onceward', bare);
  show(io, 'with Onceward', guarded);
  io.out('\n2. The backend charges, then dies before it answers: nobody can know, and Onceward says so\n');
  const bareDeath = await dyingBackend(ledger, ledger.port);
  const guardedDeath = await dyingBackend(ledger, proxyPort);
  show(io, 'without Onceward', bareDeath);
  show(io, 'with Onceward', guardedDeath);
  const kept = guarded.charges === 1 && guardedDeath.charges === 1 && guarded.attempts.at(-1)?.status === 201;
  const doubled = bare.charges === 2 && bareDeath.charges === 2;
  io.out(
    `\n${kept && doubled ? 'One charge each with Onceward, two without.' : 'NOT as promised: see the counts above.'}\n`,
  );
  return kept && doubled ? 0 : 1;
}

async function lostAnswer(ledger: LedgerBackend, port: number): Promise<Round> {
  ledger.clear();
  const hop = await startLossyHop(port, 'every-other');
  try {
    const attempts = await chargeWithRetries(hop.port, `lost-${port}`, 4);
    return { attempts, charges: ledger.charges() };
  } finally {
    await hop.close();
  }
}

async function dyingBackend(ledger: LedgerBackend, port: number): Promise<Round> {
  ledger.clear();
  ledger.setMood('die');
  try {
    const attempts = await chargeWithRetries(port, `died-${port}`, 4);
    return { attempts, charges: ledger.charges() };
  } finally {
    ledger.setMood('healthy');
  }
}

function show(io: Io, title: string, round: Round): void {
  io.out(
    `   ${title}: ${round.attempts.length} attempts, ${round.charges} ${round.charges === 1 ? 'charge' : 'charges'}\n`,
  );
  for (const attempt of round.attempts) io.out(`      attempt ${attempt.number}: ${attempt.answer}\n`);
}

async function startProxy(backendPort: number, store: string, io: Io): Promise<App> {
  const loaded = configFromFlags({
    upstream: `http://127.0.0.1:${backendPort}`,
    listen: '127.0.0.1:0',
    store,
    observe: 'off',
    logLevel: 'silent',
    replicas: 'single',
    env: io.env,
  });
  if (loaded.kind === 'faults') throw new Error(loaded.faults.map((fault) => fault.message).join('\n'));
  const { startApp } = await import('../app.ts');
  return await startApp({ config: loaded.config, configFile: null, version });
}
