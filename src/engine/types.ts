import type { ResolvedConfig } from '../config/resolved.ts';
import type { Outcome, RequestClass } from '../core/outcome.ts';
import type { RoutePolicy } from '../core/policy.ts';
import type { RecordKey } from '../core/record.ts';
import type { RequestHead } from '../core/wire.ts';
import type { GuardLimits } from '../http/guard.ts';
import type { ByteBudget, Incoming, Upstream } from '../http/seam.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { ProblemCode } from '../problems/registry.ts';
import type { Store } from '../store/contract.ts';
import type { KeepAlive } from '../store/keep-alive.ts';
import type { TokenDesk } from '../tokens/token-desk.ts';
import type { Admission } from './admission.ts';
import type { Clients } from './clients.ts';
import type { LockKeeper } from './lock-keeper.ts';
import type { ObservedLog } from './observed-log.ts';
import type { Principal, Principals } from './principals.ts';
import type { Reconciler } from './reconcile.ts';
import type { Resealer } from './resealer.ts';
import type { Rotations } from './rotations.ts';
import type { Sealing } from './sealing.ts';
import type { Settler } from './settler.ts';
import type { TaskRoom } from './task-room.ts';
import type { TicketDesk } from './ticket-desk.ts';
import type { Versions } from './versions.ts';

/** What lives as long as the process. */
export type Engine = {
  readonly store: Store;
  readonly keepAlive: KeepAlive;
  readonly locks: LockKeeper;
  readonly settler: Settler;
  readonly versions: Versions;
  readonly reconciler: Reconciler;
  readonly metrics: Metrics;
  /** What routes with `mode: observe` saw. */
  readonly observed: ObservedLog;
  readonly log: Log;
  readonly budget: ByteBudget;
  readonly waiters: Waiters;
  readonly tasks: TaskRoom;
  readonly resealer: Resealer;
  readonly wallMs: () => number;
  readonly monotonicMs: () => number;
  readonly newOwner: () => string;
  readonly newUuid: () => string;
  /** Runs when the drain time is over; returns how to take it back. */
  readonly onShutdown: (listener: () => void) => () => void;
  readonly shutDown: () => void;
  /** The drain time is over: what has not been dispatched never will be. */
  readonly shuttingDown: () => 'no' | 'yes';
  readonly draining: () => 'serving' | 'draining';
  readonly admission: Admission;
  readonly tickets: TicketDesk;
  /** Who has used which key, as far as this process has seen it. */
  readonly rotations: Rotations;
  /** Null: no client address is bounded. */
  readonly clients: Clients | null;
  /** Null: no principal is bounded. */
  readonly principals: Principals | null;
};

/** What a configuration made of itself; a request keeps the one it began with (fault 47). */
export type Snapshot = {
  readonly config: ResolvedConfig;
  readonly upstream: Upstream;
  /** HMAC secrets, current first. */
  readonly secrets: readonly Uint8Array[];
  /** Null: responses are stored as they are. */
  readonly sealing: Sealing | null;
  /** Null: no token is read. */
  readonly tokens: TokenDesk | null;
  readonly guardLimits: GuardLimits;
  readonly reliedOn: ReadonlySet<string>;
  readonly forwardingOf: (peerAddress: string) => 'trusted' | 'untrusted';
};

export type RequestContext = {
  readonly engine: Engine;
  readonly snapshot: Snapshot;
  readonly incoming: Incoming;
  /** The head with its target in origin form. */
  readonly head: RequestHead;
  readonly host: string;
  /** `''` below the reserved prefix. */
  readonly path: string;
  readonly policy: RoutePolicy;
  readonly requestClass: RequestClass;
  /** Whose key it is; null until the request is known to be keyed. */
  readonly scope: Uint8Array | null;
  readonly key: string | null;
  readonly recordKey: RecordKey | null;
  /** Whose key it is, where that is bounded. */
  readonly principal: Principal | null;
  /** The id that an answer of JSON-RPC has to carry, as JSON. Null or left out: no answer has one. */
  readonly replyId?: string | null;
};

/** How a request ended: what the log line and the metrics are made of. */
export type Ending = {
  readonly outcome: Outcome;
  /** Sent to the client; 0 when it was gone. */
  readonly status: number;
  readonly problem: ProblemCode | null;
  readonly context: RequestContext | null;
  readonly upstreamMs: number;
  readonly bytesOut: number;
  /** Which grant of the key this was; null where nothing was executed under a key. */
  readonly attempt: number | null;
};

/** Joiners, counted for each record key and in all. */
export type Waiters = {
  enter(recordKey: RecordKey, waitersMax: number): 'entered' | 'key-full' | 'joiners' | 'memory';
  leave(recordKey: RecordKey): void;
  count(): number;
};
