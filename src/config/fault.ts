import { type ConfigNode, type ConfigPath, type Origin, originAt, pathText, positionOf } from './tree.ts';

/** Something wrong with the configuration, said so that it can be mended. */
export type Fault = {
  /** Where in the configuration, such as `routes[0].lease`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
  readonly file: string;
  /** From 1; null where no line is to blame. */
  readonly line: number | null;
  readonly col: number | null;
  /** `file:line:col: path: message`. */
  readonly text: string;
};

/** More than these are no help, and a hostile file could make millions. */
const FAULTS_MAX = 100;

export function faultAt(
  file: string,
  line: number | null,
  col: number | null,
  path: string,
  message: string,
): Fault {
  const shown = printable(path);
  const place = line === null || col === null ? file : `${file}:${line}:${col}`;
  return {
    path,
    message,
    file,
    line,
    col,
    text: shown === '' ? `${place}: ${message}` : `${place}: ${shown}: ${message}`,
  };
}

/** A name out of a hostile file must not fill or repaint a terminal. */
function printable(path: string): string {
  const clean = path.replace(/[\p{C}\u2028\u2029]/gu, '?');
  return clean.length > 200 ? `${clean.slice(0, 200)}…` : clean;
}

/** A fault of the value at a path of the tree, or of the origin given instead. */
export function faultOf(
  root: ConfigNode,
  file: string,
  path: ConfigPath,
  message: string,
  origin: Origin = originAt(root, path),
): Fault {
  const position = positionOf(origin);
  const shown = pathText(path);
  if (position !== null) return faultAt(position.file, position.line, position.col, shown, message);
  const place = origin.kind === 'flag' || origin.kind === 'env' ? origin.name : file;
  return faultAt(place, null, null, shown, message);
}

/** By position; a value that several routes inherit is reported once. */
export function sortedFaults(faults: readonly Fault[]): readonly Fault[] {
  const once = new Map<string, Fault>();
  for (const fault of faults) {
    const place = fault.line === null ? fault.path : '';
    const identity = `${fault.file}:${fault.line}:${fault.col}:${place}:${fault.message}`;
    if (!once.has(identity)) once.set(identity, fault);
  }
  // Stable: what has the same place keeps the order in which it was found.
  const sorted = [...once.values()].sort(
    (a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.col ?? 0) - (b.col ?? 0),
  );
  const last = sorted[FAULTS_MAX - 1];
  if (sorted.length <= FAULTS_MAX || last === undefined) return sorted;
  return [
    ...sorted.slice(0, FAULTS_MAX),
    faultAt(last.file, null, null, '', `and ${sorted.length - FAULTS_MAX} more faults`),
  ];
}
