import type { RoutePolicy } from '../core/policy.ts';

/** The configuration as the process uses it: defaults applied, units converted, routes compiled, frozen. */

export type ListenAddress = { readonly host: string; readonly port: number };

/** Paths of PEM files. */
export type ListenTls = {
  readonly certificate: string;
  readonly key: string;
  /** Null: clients are not asked for a certificate. */
  readonly clientCa: string | null;
  readonly clientCertificates: 'required' | 'optional';
  readonly minVersion: '1.2' | '1.3';
};

export type JwtIssuer = {
  readonly issuer: string;
  readonly jwksFile: string;
  /** Null: tokens for any. */
  readonly audiences: readonly string[] | null;
  readonly algorithms: readonly string[];
};

export type JwtConfig = {
  readonly issuers: readonly JwtIssuer[];
  /** In lower case. */
  readonly header: string;
  readonly leewayMs: number;
};

export type StoreConfig =
  | { readonly kind: 'memory'; readonly bytesMax: number }
  | {
      readonly kind: 'lmdb';
      readonly path: string;
      readonly durability: 'fsync' | 'commit';
      readonly bytesMax: number;
    }
  | {
      readonly kind: 'redis';
      readonly url: string;
      readonly topology: RedisTopology;
      readonly tls: {
        readonly caFile: string | null;
        readonly certFile: string | null;
        readonly keyFile: string | null;
        readonly serverName: string | null;
      };
      /** Null: no request waits for replicas. */
      readonly wait: { readonly replicas: number; readonly timeoutMs: number } | null;
      readonly keyPrefix: string;
      readonly acceptLoss: 'accept' | 'refuse';
    }
  | {
      readonly kind: 'postgres';
      readonly url: string;
      readonly schema: string;
      readonly connectionsMax: number;
      readonly acceptLoss: 'accept' | 'refuse';
    };

export type RedisTopology =
  | { readonly kind: 'standalone' }
  /** The URL is that of a sentinel, `nodes` (host:port) of others. */
  | {
      readonly kind: 'sentinel';
      readonly nodes: readonly string[];
      readonly sentinel: {
        readonly name: string;
        readonly username: string | null;
        readonly password: string | null;
      };
    }
  /** The URL is that of a node, `nodes` of others. */
  | { readonly kind: 'cluster'; readonly nodes: readonly string[] };

export type ResolvedConfig = {
  readonly listen: ListenAddress;
  /** Null: clients speak in the clear. */
  readonly tls: ListenTls | null;
  /** Null: no token is read. */
  readonly jwt: JwtConfig | null;
  readonly http2: 'off' | 'alpn' | 'prior-knowledge';
  /** Null turns the port off. */
  readonly observe: ListenAddress | null;
  readonly admin: ListenAddress | null;
  /** Who may settle keys by hand. */
  readonly adminTokens: readonly { readonly name: string; readonly token: string }[];
  /** Processes that take requests; auto: one for each core available. */
  readonly workers: number | 'auto';
  readonly upstream: {
    /** Origin only: scheme, host and port; never taken from a request. */
    readonly origin: string;
    readonly connectMs: number;
    readonly connectionsMax: number;
    /** How long a request may wait for a free connection before it is given up as never dispatched. */
    readonly queueMs: number;
    /** keep: the client's Host goes on. upstream: the host of the upstream's URL. */
    readonly host: 'keep' | 'upstream';
    readonly protocol: 'http1' | 'http2';
    readonly reuse: 'recent' | 'never';
    /** Paths of PEM files. */
    readonly tls: {
      readonly ca: string | null;
      readonly certificate: string | null;
      readonly key: string | null;
      readonly serverName: string | null;
      readonly minVersion: '1.2' | '1.3';
    } | null;
  };
  readonly store: StoreConfig;
  readonly storePolicy: {
    /** A store operation that takes longer is given up as unavailable. */
    readonly deadlineMs: number;
    /** How long the last byte waits for a record that could not be written. */
    readonly settleWaitMs: number;
    /** Operations that the store has and has not answered; above it new claims are refused. */
    readonly underWayMax: number;
    readonly sweepIntervalMs: number;
  };
  /** HMAC secrets, current first; empty: the store's own (LMDB: a file beside it, memory: random). */
  readonly secrets: readonly string[];
  /** Of stored responses. No keys: they are stored as they are. */
  readonly encryption: {
    /** 32 bytes each in hexadecimal, current first. */
    readonly keys: readonly { readonly id: string; readonly key: string }[];
    readonly bind: 'record' | 'client';
    readonly responses: 'sealed' | 'sealed-only' | 'plain';
  };
  readonly limits: {
    readonly headBytesMax: number;
    readonly headersMax: number;
    readonly targetBytesMax: number;
    readonly headTimeoutMs: number;
    readonly bodyTimeoutMs: number;
    readonly idleMs: number;
    readonly connectionsMax: number;
    /** Request and response bodies held in memory at once, over all requests; above it 429 overloaded. */
    readonly bufferBytesMax: number;
    readonly inFlightMax: number;
    /** Waiting at once for the response of another, over all keys. */
    readonly joinersMax: number;
    /** Executions in the background at once. */
    readonly tasksMax: number;
    /** Parts of the memory, 0 to 1. */
    readonly memory: { readonly refuseShare: number; readonly stopShare: number };
    /** Of one client address in this process; null: not bounded. */
    readonly client: { readonly connectionsMax: number | null; readonly inFlightMax: number | null };
    /** Of one principal in this process; null: not bounded. */
    readonly principal: {
      readonly inFlightMax: number | null;
      readonly newKeys: { readonly burst: number; readonly perHour: number } | null;
    };
  };
  /** CIDR ranges whose forwarding fields are believed. */
  readonly trustedProxies: readonly string[];
  /** Paths that are answered here and never forwarded; null: none. */
  readonly reserved: { readonly prefix: string; readonly discovery: 'on' | 'off' } | null;
  /** Where `Link: …; rel="describedby"` of a problem points; null leaves the field out. */
  readonly docsUrl: string | null;
  readonly drain: { readonly timeoutMs: number; readonly delayMs: number };
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent' };
  readonly routes: readonly RoutePolicy[];
  /** Of a body with GET, HEAD, OPTIONS or TRACE. */
  readonly safeBody: 'refuse' | 'forward';
  /** What holds where no route matches: `bypass` semantics with this policy, or 404. */
  readonly fallback:
    | { readonly kind: 'policy'; readonly policy: RoutePolicy }
    | { readonly kind: 'not-found' };
  /** Things to say at start, such as `anonymous: allow` of a run without a file. */
  readonly warnings: readonly string[];
};
