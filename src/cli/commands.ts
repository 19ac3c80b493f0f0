import { AUDIT_USAGE, runAudit } from './audit.ts';
import { CHECK_USAGE, runCheck } from './check.ts';
import { CONFIG_USAGE, runConfig } from './config.ts';
import { DEMO_USAGE, runDemo } from './demo.ts';
import { EXPLAIN_USAGE, runExplain } from './explain.ts';
import type { Io } from './io.ts';
import { KEYS_USAGE, runKeys } from './keys.ts';
import { REPORT_USAGE, runReport } from './report.ts';
import { RUN_USAGE, runProxy } from './run.ts';
import { version } from './version.ts';

/** The commands, as data: `--help`, the README and the tests read this table. */

export type Command = {
  readonly name: string;
  readonly summary: string;
  readonly usage: string;
  readonly run: (args: readonly string[], io: Io) => Promise<number>;
};

export const COMMANDS: readonly Command[] = [
  {
    name: 'run',
    summary: 'stand in front of a backend and make retried requests safe',
    usage: RUN_USAGE,
    run: runProxy,
  },
  {
    name: 'check',
    summary: 'report every fault of a configuration file; with --against, what a change would do to keys',
    usage: CHECK_USAGE,
    run: runCheck,
  },
  {
    name: 'explain',
    summary: 'say what would happen to a request, and why',
    usage: EXPLAIN_USAGE,
    run: runExplain,
  },
  {
    name: 'config',
    summary: 'print the effective configuration and where each value comes from',
    usage: CONFIG_USAGE,
    run: runConfig,
  },
  {
    name: 'keys',
    summary: 'look at keys, and settle an unknown outcome by hand',
    usage: KEYS_USAGE,
    run: runKeys,
  },
  {
    name: 'audit',
    summary: 'find what is not idempotent in fact, against a test backend',
    usage: AUDIT_USAGE,
    run: runAudit,
  },
  {
    name: 'report',
    summary: 'say what mode: observe saw: what would have been replayed, refused, parked',
    usage: REPORT_USAGE,
    run: runReport,
  },
  {
    name: 'demo',
    summary: 'see it work: a payments backend, lost answers, one charge',
    usage: DEMO_USAGE,
    run: runDemo,
  },
];

export function helpText(): string {
  const width = Math.max(...COMMANDS.map((command) => command.name.length));
  const rows = COMMANDS.map((command) => `  ${command.name.padEnd(width)}  ${command.summary}`).join('\n');
  return `onceward ${version}: a reverse proxy that executes a retried request once and replays the answer

Usage: onceward COMMAND [options]

${rows}

Start here:
  onceward demo
  onceward run --upstream http://127.0.0.1:3000

onceward COMMAND --help tells more; docs/ has the guarantees, the configuration and the problem types.
Exit codes: 0 done, 1 failed, 2 wrong command line.
`;
}

export function versionText(): string {
  return `onceward ${version} (node ${process.versions.node})\n`;
}
