import { parseArgs } from 'node:util';
import { diffPolicies } from '../config/diff.ts';
import { diffEncryption } from '../config/diff-encryption.ts';
import { diffSecrets } from '../config/diff-secrets.ts';
import { type Loaded, loadConfigFile } from '../config/load.ts';
import type { Io } from './io.ts';

export const CHECK_USAGE = `onceward check FILE [--against OLD]

Reads a configuration as "run" would, without opening a port or a store. Prints every fault at once, each as
file:line:col: path: message, then the warnings, then ok.

  --against OLD   the configuration that is in force now: prints what the change does to keys that are in use,
                  such as a new keyspace, scope or fingerprint, under which a repeat is not recognised

Exit codes: 0 nothing to say against it, 1 faults, or with --against a change that touches keys, 2 wrong command line.

  onceward check onceward.yaml
  onceward check new.yaml --against onceward.yaml`;

export async function runCheck(args: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { against: { type: 'string' } },
    allowPositionals: true,
    strict: true,
  });
  const [file] = positionals;
  if (file === undefined || positionals.length > 1) {
    io.err('onceward check: give one file, as in: onceward check onceward.yaml\n');
    return 2;
  }
  const loaded = await loadConfigFile(file, io.env);
  if (loaded.kind === 'faults') return reportFaults(loaded, io);
  for (const warning of loaded.warnings)
    io.out(`${warning.text.replace(warning.message, `warning: ${warning.message}`)}\n`);
  if (values.against !== undefined) {
    const old = await loadConfigFile(values.against, io.env);
    if (old.kind === 'faults') return reportFaults(old, io);
    const changes = [
      ...diffPolicies(old.config, loaded.config).map(({ text }) => text),
      ...diffEncryption(old.config, loaded.config),
      ...diffSecrets(old.config, loaded.config),
    ];
    for (const change of changes) io.out(`${file}: change: ${change}\n`);
    if (changes.length > 0) return 1;
  }
  io.out('ok\n');
  return 0;
}

function reportFaults(loaded: Extract<Loaded, { kind: 'faults' }>, io: Io): number {
  for (const fault of loaded.faults) io.out(`${fault.text}\n`);
  return 1;
}
