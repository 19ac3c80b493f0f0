import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The real binary as a child process, on the pinned Node. */

const ROOT = join(import.meta.dirname, '../..');
export const BINARY = join(ROOT, 'bin/onceward.js');
export const PINNED_NODE = join(ROOT, 'node_modules/.bin/node');
/** Three processes on a busy machine; it only turns a hang into a message. */
const START_MS_MAX = 60_000;

export type Ended = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export type LogLine = Readonly<Record<string, unknown>>;

export type ChildProxy = {
  readonly port: number;
  readonly pid: number;
  readonly ended: Promise<Ended>;
  signal(name: NodeJS.Signals): void;
  /** SIGKILL, and wait for the end. */
  kill(): Promise<void>;
  /** SIGTERM, and wait for the end. */
  stop(): Promise<Ended>;
  /** The first line of the log that fits, seen or to come; rejects when the process ends without it. */
  logLine(fits: (line: LogLine) => boolean): Promise<LogLine>;
  /** Everything written so far, to either stream. */
  output(): string;
};

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export type ChildOptions = {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** The port it listens on: for one whose log level keeps it from saying that it has started. */
  readonly listensOn?: number;
  /** Goes before the command, and becomes it (exec). */
  readonly enter?: readonly string[];
  /** `own`: a process group of its own, as a terminal gives it; signalled as -pid. */
  readonly group?: 'own' | 'ours';
};

/** Starts `onceward run …` and waits until it listens; an end before that is an error that tells what it said. */
export async function startChildProxy(
  args: readonly string[],
  options: ChildOptions = {},
): Promise<ChildProxy> {
  const child = spawnBinary(['run', ...args], options);
  const pid = child.pid;
  if (pid === undefined) throw new Error('the proxy could not be started');
  // Parsed only when they are looked at: a busy proxy writes one for each request.
  const lines: string[] = [];
  const watchers = new Set<() => void>();
  let output = '';
  let rest = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
    for (const watcher of [...watchers]) watcher();
  });
  let state: 'running' | 'ended' = 'running';
  const ended = endOf(child).then((end) => {
    state = 'ended';
    for (const watcher of [...watchers]) watcher();
    return end;
  });
  const logLine = (fits: (line: LogLine) => boolean): Promise<LogLine> =>
    new Promise((resolve, reject) => {
      let seen = 0;
      const look = (): void => {
        for (; seen < lines.length; seen++) {
          const line = parseLine(lines[seen] ?? '');
          if (!fits(line)) continue;
          watchers.delete(look);
          resolve(line);
          return;
        }
        if (state === 'running') return;
        watchers.delete(look);
        reject(new Error(`the proxy ended without that line; it said: ${output.slice(-2000)}`));
      };
      watchers.add(look);
      look();
    });
  const deadline = setTimeout(() => child.kill('SIGKILL'), START_MS_MAX);
  const port =
    options.listensOn === undefined
      ? Number(
          String((await logLine((line) => line.msg === 'started')).listen)
            .split(':')
            .at(-1),
        )
      : await accepting(options.listensOn, () => {
          if (state === 'ended')
            throw new Error(`the proxy ended before it listened: ${output.slice(-2000)}`);
        });
  clearTimeout(deadline);
  return {
    port,
    pid,
    ended,
    signal: (name) => child.kill(name),
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
    stop() {
      child.kill('SIGTERM');
      return ended;
    },
    logLine,
    output: () => output,
  };
}

/** Resolves with the port once it takes connections; `look` runs before every try. */
async function accepting(port: number, look: () => void): Promise<number> {
  for (;;) {
    look();
    const socket = connect({ port, host: '127.0.0.1' });
    const answer = await new Promise<'yes' | 'no'>((resolve) => {
      socket.once('connect', () => resolve('yes'));
      socket.once('error', () => resolve('no'));
    });
    socket.destroy();
    if (answer === 'yes') return port;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export type Ran = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** Runs the binary to its end. `node`: another one than the pinned. */
export async function runBinary(
  args: readonly string[],
  options: ChildOptions & { readonly node?: string; readonly binary?: string } = {},
): Promise<Ran> {
  const child = spawnBinary(args, options);
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const deadline = setTimeout(() => child.kill('SIGKILL'), START_MS_MAX);
  const { code } = await endOf(child);
  clearTimeout(deadline);
  return { code, stdout, stderr };
}

function spawnBinary(
  args: readonly string[],
  options: ChildOptions & { readonly node?: string; readonly binary?: string },
): ChildProcess {
  // Nothing of the tests' own environment but what a process needs, so that no variable of it changes an outcome.
  const env = { PATH: process.env.PATH ?? '', ...options.env };
  const command = [...(options.enter ?? []), options.node ?? PINNED_NODE, options.binary ?? BINARY, ...args];
  const child = spawn(command[0] ?? PINNED_NODE, command.slice(1), {
    cwd: options.cwd ?? ROOT,
    env,
    detached: options.group === 'own',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  return child;
}

/** `close`, not `exit`: what it wrote last has been read by then. */
function endOf(child: ChildProcess): Promise<Ended> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
}

function parseLine(text: string): LogLine {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : { text };
  } catch {
    return { text };
  }
}

export type Folder = {
  readonly path: string;
  /** Writes a configuration and returns its path. JSON is YAML. */
  config(content: object, name?: string): string;
  file(name: string, text: string): string;
  remove(): void;
};

export function temporaryFolder(): Folder {
  const path = mkdtempSync(join(tmpdir(), 'onceward-e2e-'));
  const file = (name: string, text: string): string => {
    const target = join(path, name);
    writeFileSync(target, text);
    return target;
  };
  return {
    path,
    file,
    config: (content, name = 'onceward.yaml') => file(name, `${JSON.stringify(content, null, 2)}\n`),
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** What every configuration of these tests begins with: free ports, no ports for operators. */
export function baseConfig(upstream: string, store: unknown): Record<string, unknown> {
  return { listen: '127.0.0.1:0', observe: null, admin: null, upstream: { url: upstream }, store };
}
