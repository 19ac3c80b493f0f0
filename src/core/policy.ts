import type { DialectPolicy } from './dialect.ts';
import type { LockPolicy } from './lock-policy.ts';
import type { MessagePreset } from './message.ts';
import type { PreconditionPolicy } from './precondition.ts';
import type { SequencePolicy } from './producer.ts';
import type { ReconcilePolicy } from './reconcile.ts';
import type { SignaturePolicy } from './signature.ts';
import type { TaskPolicy } from './task.ts';
import type { TicketPolicy } from './ticket.ts';

/** A route's policy: plain frozen data, resolved when the configuration is loaded. */

export type KeySource =
  /** A header field; `name` in lower case. */
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'query'; readonly name: string }
  /** A member of a JSON body by JSON Pointer (RFC 6901); `tokens` are its decoded reference tokens. */
  | { readonly kind: 'json'; readonly pointer: string; readonly tokens: readonly string[] }
  /** A field of an HTML form in the body. */
  | { readonly kind: 'form'; readonly name: string }
  /** The id of a message, where its sender's kind of message has it; stands alone. */
  | { readonly kind: 'message'; readonly preset: MessagePreset };

export type KeyPolicy = {
  /** Tried in order; the first that carries a value names the key; another that disagrees is an error. */
  readonly sources: readonly KeySource[];
  /** strict: an RFC 9651 String. lenient: `abc` and `"abc"` are one key. Concerns header sources only. */
  readonly syntax: 'strict' | 'lenient';
  readonly charsMin: number;
  readonly charsMax: number;
  /** visible-ascii: %x21-7E. printable-ascii: %x20-7E. uuid: RFC 9562 text form, compared in lower case; uuid4: of version 4 alone. */
  readonly characters: 'visible-ascii' | 'printable-ascii' | 'uuid' | 'uuid4';
  readonly presence: 'required' | 'optional';
};

export type ScopePolicy = {
  /** Lower-case names of the fields whose values together are the principal. */
  readonly headers: readonly string[];
  readonly anonymous: 'allow' | 'refuse';
  /** Of an Authorization of AWS Signature Version 4 only the id of the access key counts. Left out: all of it. */
  readonly sigv4?: 'access-key';
  /** Names of cookies, as they are written, that belong to the principal too. */
  readonly cookies?: readonly string[];
  /** Of a verified token: its issuer and these claims, in order of their names. */
  readonly jwt?: { readonly claims: readonly string[] };
  readonly certificate?: 'fingerprint' | 'subject' | 'san';
};

export type MessagePolicy = {
  readonly preset: MessagePreset;
  /** Null: deliveries are not verified. */
  readonly signature: SignaturePolicy | null;
};

export type FingerprintBody =
  | { readonly kind: 'bytes' }
  /** RFC 8785; falls back to bytes where canonicalisation would lose something. */
  | { readonly kind: 'canonical-json' }
  | { readonly kind: 'json-select'; readonly pointers: readonly string[] }
  | { readonly kind: 'json-exclude'; readonly pointers: readonly string[] }
  | { readonly kind: 'none' };

export type FingerprintPolicy = {
  /** Digest of everything below; stored with the record, so that a changed policy is never a mismatch. */
  readonly id: string;
  readonly method: 'include' | 'exclude';
  readonly path: 'include' | 'exclude';
  /** raw: bytes as sent. parsed: name/value pairs, order of names ignored. */
  readonly query: 'raw' | 'parsed' | 'exclude';
  readonly body: FingerprintBody;
  /** Lower-case names. Default content-type and content-encoding. */
  readonly headers: readonly string[];
};

/** What a complete response with a given status does to the claim. */
export type StatusAction = 'complete' | 'release' | 'park';

export type StatusTable = {
  /** Index is the status code, 0 to 999; resolved from the default table, then classes, then single codes. */
  readonly actions: readonly StatusAction[];
};

export type ReplayAuthorization =
  /** The token of the request is valid at this moment. */
  | { readonly kind: 'jwt' }
  /** The backend says yes (2xx) to a question with the fields of the request. */
  | {
      readonly kind: 'subrequest';
      readonly method: 'GET' | 'HEAD';
      readonly target: string;
      readonly timeoutMs: number;
    };

export type InFlightPolicy =
  | { readonly kind: 'join'; readonly waitMs: number; readonly waitersMax: number }
  | { readonly kind: 'reject' };

export type PathSegment =
  | { readonly kind: 'literal'; readonly text: string }
  /** Exactly one segment; `name`: of its value. */
  | { readonly kind: 'one'; readonly name?: string }
  /** Any number of segments, none included. */
  | { readonly kind: 'rest' };

export type RouteMatch = {
  /** Lower-case host without port; `*.example.com` matches one or more labels; null matches all. */
  readonly host: string | null;
  /** Null matches every path. */
  readonly path: readonly PathSegment[] | null;
  /** Empty matches all. Case-sensitive (RFC 9110 section 9.1). */
  readonly methods: readonly string[];
  /** All must match; value null asks only for presence. Names in lower case. */
  readonly headers: readonly { readonly name: string; readonly value: string | null }[];
};

export type RoutePolicy = {
  readonly name: string;
  readonly match: RouteMatch;
  /** The bundle of values it began with; everything it set stands in the fields below. Only told, never asked. */
  readonly profile: string;
  /** Null: nothing but what the other fields say. */
  readonly dialect: DialectPolicy | null;
  readonly mode: 'enforce' | 'observe';
  readonly keyspace: string;
  readonly key: KeyPolicy;
  /** Whether PUT, DELETE and the other idempotent methods are keyed when a key is there. */
  readonly idempotentMethods: 'bypass' | 'keyed';
  /** Null: what comes is no message of a known kind of sender. */
  readonly message: MessagePolicy | null;
  /** Null: clients make their keys themselves. */
  readonly ticket: TicketPolicy | null;
  readonly scope: ScopePolicy;
  /** Of a key that another caller has used for the same request. refuse: all callers of the route are one tenant. */
  readonly rotated: 'execute' | 'refuse';
  readonly fingerprint: FingerprintPolicy;
  readonly inFlight: InFlightPolicy;
  readonly leaseMs: number;
  readonly retainMs: number;
  readonly unknownRetainMs: number;
  /** together: claim and dispatch are one store write. separate: two (`markDispatch: true`). */
  readonly dispatchMark: 'together' | 'separate';
  readonly status: StatusTable;
  readonly replay: {
    /** Lower-case names never sent with a replay, besides the fixed ones. */
    readonly withheldHeaders: readonly string[];
    readonly setCookie: 'withhold' | 'keep';
  };
  /** What is asked before anything is told of a record. Null: nothing. */
  readonly replayAuthorization: ReplayAuthorization | null;
  readonly onUnknown: 'hold' | 'retry';
  /** How long an unknown must have been quiet before `retry` or "did not happen" of a probe acts. */
  readonly quietMs: number;
  readonly reconcile: ReconcilePolicy | null;
  /** Null: conditional requests are the backend's business alone. */
  readonly precondition: PreconditionPolicy | null;
  /** Null: every client waits for its answer. */
  readonly task: TaskPolicy | null;
  /** One execution at a time for each of its resources. */
  readonly lock: LockPolicy | null;
  /** Not null: the number of a producer is the key, and `key` has no sources. */
  readonly sequence: SequencePolicy | null;
  readonly onStoreDown: 'refuse' | 'forward';
  /** What a response whose end cannot be proven does. */
  readonly unprovenEnd: 'park' | 'trust';
  readonly requestBytesMax: number;
  readonly responseBytesMax: number;
  /** Counted from dispatch; 0 means none, except lateAnswerMs where 0 parks at once. */
  readonly timeouts: {
    readonly headMs: number;
    readonly bodyIdleMs: number;
    readonly totalMs: number;
    readonly lateAnswerMs: number;
  };
};
