import type { Reply } from '../http/seam.ts';

/** Where the answer of an execution goes that no client waits for: it is as one whose client has left. */
export const NOBODY: Reply = {
  state: () => 'gone',
  informational: () => undefined,
  send: () => undefined,
  begin: () => undefined,
  flushHead: () => undefined,
  write: () => 'more',
  trailers: () => undefined,
  end: () => undefined,
  destroy: () => undefined,
  onDrain: () => undefined,
  onGone: (listener) => listener(),
  onClosed: (listener) => listener(),
};
