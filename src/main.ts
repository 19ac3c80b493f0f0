import { COMMANDS, helpText, versionText } from './cli/commands.ts';
import type { Io } from './cli/io.ts';
import { processIo } from './cli/process-io.ts';

/**
 * Picks the command. Exit codes: 0 done, 1 failed (faults in a file, a port in use, an unreachable store),
 * 2 the command line itself is wrong.
 */
export async function main(args: readonly string[], io: Io = processIo): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    io.out(helpText());
    return name === undefined ? 2 : 0;
  }
  if (name === '--version' || name === '-V') {
    io.out(versionText());
    return 0;
  }
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (command === undefined) {
    io.err(
      `onceward: there is no command "${name}". Commands: ${COMMANDS.map((known) => known.name).join(', ')}. See onceward --help.\n`,
    );
    return 2;
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    io.out(`${command.usage}\n`);
    return 0;
  }
  try {
    return await command.run(rest, io);
  } catch (error) {
    // What reaches this place has a message for the operator; a stack would hide it.
    io.err(`onceward ${name}: ${error instanceof Error ? error.message : String(error)}\n`);
    return isUsageError(error) ? 2 : 1;
  }
}

/** parseArgs reports a wrong flag by code. */
function isUsageError(error: unknown): boolean {
  return (
    error instanceof TypeError &&
    'code' in error &&
    typeof error.code === 'string' &&
    error.code.startsWith('ERR_PARSE_ARGS_')
  );
}
