import { parseArgs } from 'node:util';
import { printConfig } from '../config/print.ts';
import type { Io } from './io.ts';
import { CONFIG_OPTIONS, flagConflict, loadFrom } from './load-from.ts';

export const CONFIG_USAGE = `onceward config print [--config FILE]
onceward config print [--upstream URL] [--listen HOST:PORT] [--admin HOST:PORT] [--store WHERE] [--workers N | auto]

Prints the effective configuration as YAML: every value that is in force, and behind it where it comes from: a line
of the file, a variable, a flag, or the default. Secrets and passwords are masked. Without a file: what "run" would
use with these flags; without any: the defaults.

  onceward config print --config onceward.yaml`;

export async function runConfig(args: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: CONFIG_OPTIONS,
    allowPositionals: true,
    strict: true,
  });
  const [verb] = positionals;
  if (verb !== 'print' || positionals.length > 1) {
    io.err(
      `onceward config: ${verb === undefined ? 'what shall it do?' : `there is no "${positionals.join(' ')}".`} Try: onceward config print\n`,
    );
    return 2;
  }
  const conflict = flagConflict(values);
  if (conflict !== null) {
    io.err(`onceward config: ${conflict}.\n`);
    return 2;
  }
  const loaded = await loadFrom(values, io);
  if (loaded.kind === 'faults') {
    for (const fault of loaded.faults) io.err(`${fault.text}\n`);
    return 1;
  }
  io.out(printConfig(loaded.effective));
  return 0;
}
