import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The programs that are compared, each a process of its own, and the CPU time each has used. */

export type Program = { readonly port: number; readonly pid: number; stop(): Promise<void> };

const BINARY = join(import.meta.dirname, '../../bin/onceward.js');
const START_MS_MAX = 20_000;

/** A script that prints its port; by its URL. */
export function startScript(script: string, args: readonly string[]): Promise<Program> {
  return start([fileURLToPath(script), ...args], (text) => /^(\d+)\n/.exec(text)?.[1]);
}

/** Onceward as it is started for real, with its log, which goes unread. */
export function startOnceward(upstreamPort: number, store: string): Promise<Program> {
  const args = [
    BINARY,
    'run',
    '--upstream',
    `http://127.0.0.1:${upstreamPort}`,
    '--listen',
    '127.0.0.1:0',
    '--admin',
    '127.0.0.1:0',
    '--store',
    store,
  ];
  return start(args, (text) => /"listen":"127\.0\.0\.1:(\d+)"/.exec(text)?.[1]);
}

async function start(
  args: readonly string[],
  portOf: (output: string) => string | undefined,
): Promise<Program> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${args[0]} could not be started`);
  process.once('exit', () => child.kill('SIGKILL'));
  const port = await firstPort(child, portOf);
  return {
    port,
    pid,
    async stop() {
      const ended = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGKILL');
      await ended;
    },
  };
}

function firstPort(child: ChildProcess, portOf: (output: string) => string | undefined): Promise<number> {
  return new Promise((resolve, reject) => {
    let output = '';
    const deadline = setTimeout(() => child.kill('SIGKILL'), START_MS_MAX);
    const hear = (text: string): void => {
      output += text;
      const port = portOf(output);
      if (port === undefined) return;
      clearTimeout(deadline);
      child.stdout?.off('data', hear);
      // Read and thrown away: a full pipe would be measured too.
      child.stdout?.resume();
      resolve(Number(port));
    };
    child.stdout?.setEncoding('utf8').on('data', hear);
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.once('close', () => reject(new Error(`ended before it listened: ${output.slice(-500)}`)));
  });
}

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).trim());

/** User and system time of a process and all its threads, proc(5) fields 14 and 15. */
export function cpuMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The name of the program may hold spaces; what follows its bracket does not.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1_000;
}
