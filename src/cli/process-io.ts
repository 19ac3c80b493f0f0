import process from 'node:process';
import type { Io } from './io.ts';
import { printable } from './printable.ts';

/** Edge file: the process itself. */
export const processIo: Io = {
  out: (text) => {
    write(process.stdout, text);
  },
  err: (text) => {
    write(process.stderr, text);
  },
  env: process.env,
  onSignal(names, listener) {
    for (const name of names) process.on(name, listener);
    return () => {
      for (const name of names) process.off(name, listener);
    };
  },
  exitNow: (code) => process.exit(code),
  isTty: () => process.stdout.isTTY === true,
};

/** A reader that has seen enough, such as `head`, is no fault; without a listener its leaving would end in a stack trace. */
function write(stream: NodeJS.WriteStream, text: string): void {
  if (stream.listenerCount('error') === 0) stream.on('error', ignoreClosedPipe);
  stream.write(printable(text));
}

function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}
