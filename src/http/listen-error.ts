/** The ports this process opens; each is a field of the configuration. */
export type ListenField = 'listen' | 'observe' | 'admin';

const FIELD_TEXT: Readonly<Record<ListenField, string>> = {
  listen: 'listen (or --listen)',
  observe: 'observe.listen',
  admin: 'admin.listen (or --admin)',
};

/**
 * One line that names the address and what to do, for a server that could not be bound. `address` is host:port as
 * configured; the system's error is kept as the cause.
 */
export function describeListenError(error: NodeJS.ErrnoException, what: ListenField, address: string): Error {
  return new Error(`${what}: cannot listen on ${address}: ${advice(error, what)}`, { cause: error });
}

function advice(error: NodeJS.ErrnoException, what: ListenField): string {
  const field = FIELD_TEXT[what];
  switch (error.code) {
    case 'EADDRINUSE':
      return `the port is in use. Stop the process that has it, or set another address in ${field}.`;
    case 'EACCES':
      return `not permitted. Ports below 1024 need a privilege; set a higher one in ${field}.`;
    case 'EADDRNOTAVAIL':
      return `this machine has no such address. Set one of its own, or 0.0.0.0, in ${field}.`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the host name cannot be resolved. Set an IP address in ${field}.`;
    default:
      return `${error.code ?? 'error'} ${error.message}. Check ${field}.`;
  }
}
