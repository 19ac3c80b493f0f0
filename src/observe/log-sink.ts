import { Buffer } from 'node:buffer';
import { constants, fstatSync, openSync, type Stats, write } from 'node:fs';
import { Socket } from 'node:net';
import type { LogDestination } from './log.ts';

const LOG_BUFFER_CHARS_MAX = 4 * 1024 * 1024;

/** How bytes leave the process: `done` once they are out or cannot be. */
type Outlet = {
  send(bytes: Buffer, done: (result: 'sent' | 'broken') => void): void;
  /** `busy`: a write is still under way, and is given up. */
  close(state: 'idle' | 'busy'): void;
};

/** POSIX: what is written to a pipe at once and is no longer than this is never mixed with what others write. */
const PIPE_BUF_BYTES = 4_096;

type LogSinkOptions = {
  /** `shared`: other processes write lines at the same time, so a write holds whole lines and no more than a pipe takes at once. */
  readonly use?: 'alone' | 'shared';
  readonly charsMax?: number;
};

/** Lines to a file descriptor such as 1. */
export function openLogSink(fd: number, options: LogSinkOptions = {}): LogDestination {
  const { use = 'alone', charsMax = LOG_BUFFER_CHARS_MAX } = options;
  const outlet = openOutlet(fd);
  let kept: string[] = [];
  let keptChars = 0;
  let writingChars = 0;
  let dropped = 0;
  let state: 'open' | 'closed' | 'broken' = 'open';
  let writing: 'idle' | 'scheduled' | 'writing' = 'idle';
  let onIdle: (() => void) | null = null;

  const next = (): void => {
    if (kept.length === 0 || state === 'broken') {
      writing = 'idle';
      onIdle?.();
      return;
    }
    writing = 'writing';
    const taken = use === 'alone' ? kept : kept.splice(0, linesWithin(kept, PIPE_BUF_BYTES));
    if (use === 'alone') kept = [];
    const lines = taken.length;
    const text = taken.join('');
    writingChars = text.length;
    keptChars -= text.length;
    outlet.send(Buffer.from(text), (result) => {
      writingChars = 0;
      if (result === 'broken') {
        // Nobody will ever read again (EPIPE, disk gone): the requests go on without a log.
        state = 'broken';
        dropped += lines + kept.length;
        kept = [];
        keptChars = 0;
      }
      next();
    });
  };

  return {
    write(line) {
      if (state !== 'open' || keptChars + writingChars + line.length > charsMax) {
        dropped += 1;
        return;
      }
      kept.push(line);
      keptChars += line.length;
      if (writing === 'idle') {
        writing = 'scheduled';
        // One write for all lines of this turn of the event loop.
        setImmediate(next);
      }
    },
    linesDropped: () => dropped,
    async close(deadlineMs) {
      if (state === 'open') state = 'closed';
      if (writing !== 'idle') {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, deadlineMs);
          onIdle = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      outlet.close(writing === 'idle' ? 'idle' : 'busy');
    },
  };
}

/** How many of the first lines fit; one at least, or a line that is too long would stay for ever. */
function linesWithin(lines: readonly string[], bytesMax: number): number {
  let bytes = 0;
  let count = 0;
  for (const line of lines) {
    bytes += Buffer.byteLength(line);
    if (bytes > bytesMax) break;
    count += 1;
  }
  return Math.max(count, 1);
}

/**
 * A blocking write to a full pipe would hold a thread of the pool for ever, and the exit of the process with it; so
 * pipes and sockets are written by the event loop. A pipe is opened anew for that where we may: O_NONBLOCK belongs to
 * the open description, which our parent and `2>&1` share.
 */
function openOutlet(fd: number): Outlet {
  const stat = fstatSync(fd);
  if (stat.isFIFO()) {
    const own = reopen(fd);
    if (own !== null) return socketOutlet(own, 'own');
    // Shared with standard error, which Node sets back to blocking: then rather a thread than the event loop.
    return isSameFile(stat, STDERR_FD) ? fileOutlet(fd) : socketOutlet(fd, 'borrowed');
  }
  return stat.isSocket() ? socketOutlet(fd, 'borrowed') : fileOutlet(fd);
}

const STDERR_FD = 2;

function isSameFile(stat: Stats, fd: number): boolean {
  const other = fstatSync(fd);
  return stat.dev === other.dev && stat.ino === other.ino;
}

/** Null where the system has no /proc, the pipe has no reader, or it was made by another user (containers). */
function reopen(fd: number): number | null {
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return null;
  }
}

function socketOutlet(fd: number, whose: 'own' | 'borrowed'): Outlet {
  const socket = new Socket({ fd, readable: false, writable: true });
  socket.on('error', () => undefined);
  socket.unref();
  return {
    send(bytes, done) {
      socket.write(bytes, (error) => done(error === undefined || error === null ? 'sent' : 'broken'));
    },
    close(state) {
      // A borrowed descriptor stays open for others, unless a write that never ends would keep the process alive.
      if (whose === 'own' || state === 'busy') socket.destroy();
    },
  };
}

const FULL_RETRY_MS = 50;

function fileOutlet(fd: number): Outlet {
  const send: Outlet['send'] = (bytes, done) => {
    write(fd, bytes, (error, written) => {
      // A full disk or a terminal in non-blocking mode may take bytes again later; the bound of the buffer holds.
      if (error !== null) {
        if (error.code === 'EAGAIN' || error.code === 'ENOSPC')
          setTimeout(send, FULL_RETRY_MS, bytes, done).unref();
        else done('broken');
        return;
      }
      if (written === bytes.length) done('sent');
      else send(bytes.subarray(written), done);
    });
  };
  return { send, close: () => undefined };
}
