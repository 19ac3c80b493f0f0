import type { NotReady } from '../admin/health.ts';
import type { ResolvedConfig } from '../config/resolved.ts';
import type { ObservedRoute } from '../core/observed.ts';
import type { SampleFamily } from '../observe/exposition.ts';

/** What the primary and a worker say to each other. Both run the same version: the primary starts its workers itself. */

export type ToWorker =
  | { readonly kind: 'start'; readonly config: ResolvedConfig; readonly version: string }
  | { readonly kind: 'reload'; readonly config: ResolvedConfig }
  | { readonly kind: 'drain' }
  | { readonly kind: 'collect' };

export type FromWorker =
  /** Takes requests. */
  | { readonly kind: 'listening' }
  /** Could not be started; one line that says why. */
  | { readonly kind: 'failed'; readonly message: string }
  | Report;

/** What a worker has counted since it was started. */
export type Report = {
  readonly kind: 'report';
  /** Counters, histograms and the gauges that can be added up; samples of value 0 may be missing. */
  readonly counted: readonly SampleFamily[];
  /** Of the process itself; null where nobody asked: a report that came by itself. */
  readonly ofProcess: readonly SampleFamily[] | null;
  /** What routes with `mode: observe` saw; null: as last reported. */
  readonly observed: readonly ObservedRoute[] | null;
  readonly inFlight: number;
  /** Why it should get no requests; null: it should. */
  readonly notReady: NotReady | null;
};

/** Null: not ours, such as what a debugger sends. */
export function fromWorker(message: unknown): FromWorker | null {
  return isKind(message, ['listening', 'failed', 'report']) ? (message as FromWorker) : null;
}

export function toWorker(message: unknown): ToWorker | null {
  return isKind(message, ['start', 'reload', 'drain', 'collect']) ? (message as ToWorker) : null;
}

function isKind(message: unknown, kinds: readonly string[]): boolean {
  return (
    typeof message === 'object' &&
    message !== null &&
    'kind' in message &&
    kinds.some((kind) => kind === message.kind)
  );
}
