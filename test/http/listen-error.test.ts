import { expect, it } from 'vitest';
import { describeListenError, type ListenField } from '../../src/http/listen-error.ts';

const failure = (code: string): NodeJS.ErrnoException => Object.assign(new Error(`listen ${code}`), { code });

it.each([
  [
    'EADDRINUSE',
    'listen',
    'listen: cannot listen on h:1: the port is in use. Stop the process that has it, or set another address in listen (or --listen).',
  ],
  [
    'EACCES',
    'admin',
    'admin: cannot listen on h:1: not permitted. Ports below 1024 need a privilege; set a higher one in admin.listen (or --admin).',
  ],
  [
    'EADDRNOTAVAIL',
    'observe',
    'observe: cannot listen on h:1: this machine has no such address. Set one of its own, or 0.0.0.0, in observe.listen.',
  ],
  [
    'ENOTFOUND',
    'observe',
    'observe: cannot listen on h:1: the host name cannot be resolved. Set an IP address in observe.listen.',
  ],
  ['EWEIRD', 'listen', 'listen: cannot listen on h:1: EWEIRD listen EWEIRD. Check listen (or --listen).'],
] as const satisfies readonly (readonly [string, ListenField, string])[])(
  '%s of %s says what to do in one line',
  (code, what, message) => {
    const error = failure(code);

    const described = describeListenError(error, what, 'h:1');

    expect(described.message).toBe(message);
    expect(described.cause).toBe(error);
  },
);
