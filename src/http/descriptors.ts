import { readFileSync } from 'node:fs';

/** Sockets to the store, files, pipes, and the connections of operators. */
const RESERVED = 64;
const CONNECTIONS_MIN = 16;

/**
 * How many connections of clients the process has descriptors for, once those to the backend and the store have
 * theirs: clients that take the last one would cut it off from both (fault 53).
 */
export function connectionsWithin(wantedMax: number, elsewhereMax: number, openFilesMax: number): number {
  return Math.min(wantedMax, Math.max(CONNECTIONS_MIN, openFilesMax - elsewhereMax - RESERVED));
}

/** Edge: the limit of this process, which node has raised to the hard one. Infinity where there is none to be read. */
export function openFilesMax(): number {
  try {
    const [, text] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return text === undefined ? Number.POSITIVE_INFINITY : Number(text);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
