// Made by scripts/generate-client.ts from client/onceward-client.ts.
/**
 * fetch with one key for each logical operation and with retries of what is safe to retry. Made for Onceward, careful
 * with every other server. Types are erasable: Node 22.18 or newer, Deno, Bun and every bundler take it as it is; for
 * the rest there is onceward-client.js with onceward-client.d.ts beside it.
 */
export type OncewardClientOptions = {
    /** Sends one attempt. Default the fetch of the platform; one that retries by itself must not be used here. */
    readonly fetch?: (input: string | URL, init: RequestInit) => Promise<Response>;
    /**
     * `honours-key`: every server this client talks to executes a key once, as Onceward in `mode: enforce` does on a route
     * that reads the key. Only then is a POST sent again after a connection failure. Default `unknown`: it is sent again
     * only where an answer proves that nothing was executed or that its key is held.
     */
    readonly server?: 'honours-key' | 'unknown';
    /** The field of the key. Default Idempotency-Key. */
    readonly keyField?: string;
    /** `quoted`: as the IETF draft writes it (a String of RFC 9651); `bare`: without quotes. Default quoted. */
    readonly keySyntax?: 'quoted' | 'bare';
    /**
     * `when-not-executed`: a key that is refused while nothing was executed is replaced by a fresh one, once for each
     * operation. Default `never`.
     */
    readonly freshKey?: 'never' | 'when-not-executed';
    /** Requests that one operation may cost. Default 5. */
    readonly attemptsMax?: number;
    /** From the first attempt to the last answer, waits included. Default 60 000. */
    readonly totalMs?: number;
    /** One attempt, until its body is read. Default 30 000. */
    readonly attemptMs?: number;
    /** The wait before attempt n + 1 is random between 0 and `min(maxMs, firstMs * 2^(n-1))`. Default 250 and 8 000. */
    readonly backoff?: {
        readonly firstMs: number;
        readonly maxMs: number;
    };
    /** A response up to this size is read whole before it is given out, so that half of one can be asked for again. */
    readonly responseBytesMax?: number;
    /** Told before every wait. */
    readonly onRetry?: (retry: OncewardRetry) => void;
    /** From 0 to below 1; default Math.random. */
    readonly random?: () => number;
    /** Default crypto.randomUUID. */
    readonly newKey?: () => string;
    /** A clock that never goes back; default performance.now. */
    readonly monotonicMs?: () => number;
    /** For a `Retry-After` date in an answer that has no readable `Date`; default Date.now. */
    readonly wallMs?: () => number;
    /** Runs once after the time; returns how to take it back. Default setTimeout. */
    readonly startTimer?: (ms: number, run: () => void) => () => void;
};
export type OncewardRetry = {
    /** The attempt that has ended. */
    readonly attempt: number;
    /** 0: no answer. */
    readonly status: number;
    readonly code: string | null;
    readonly waitMs: number;
    readonly key: 'none' | 'same' | 'fresh';
};
type Encodable = string | ArrayBuffer | ArrayBufferView | URLSearchParams | Blob | FormData;
/** As of fetch, but for a body that can be sent again. */
export type OncewardInit = Omit<RequestInit, 'body' | 'duplex' | 'signal'> & {
    /** A function makes the body anew for each attempt, with the same bytes each time: others would be a reused key. */
    readonly body?: Encodable | (() => string | ArrayBuffer | ArrayBufferView | Blob | ReadableStream) | null | undefined;
    readonly signal?: AbortSignal | null | undefined;
    /** The key of this operation, such as one that is kept with an order; default a fresh one where one is needed. */
    readonly key?: string | undefined;
    readonly server?: 'honours-key' | 'unknown' | undefined;
    /** `stream`: given out with its head; a body that breaks is then the caller's. Default whole. */
    readonly responseBody?: 'whole' | 'stream' | undefined;
};
/** The members of a problem document that tell about a retry. */
export type OncewardProblem = {
    readonly type: string;
    readonly code: string | null;
    readonly detail: string | null;
    readonly retryable: boolean | null;
    readonly sameKey: boolean | null;
    readonly executed: 'no' | 'yes' | 'unknown' | null;
    readonly retryAfterMs: number | null;
    /** `idempotency_key`: there where the server has read the key, and so looked at it. */
    readonly key: string | null;
};
export type OncewardWhy = 
/** The server says that a retry is of no use. */
'server-says'
/** No answer, and nothing is known that would make a retry safe. */
 | 'unprotected' | 'attempts' | 'time' | 'aborted';
export type OncewardResult = 
/** The server's answer, whatever its status. */
{
    readonly kind: 'answered';
    readonly response: Response;
    readonly key: string | null;
    readonly attempts: number;
}
/**
 * `not-executed`: provably so. `executed`: it happened, and its answer is not to be had. `unknown`: it may have
 * happened; ask the server before another key is used. After `attempts`, `time` and `aborted` the same key may be
 * sent again later.
 */
 | {
    readonly kind: 'not-executed' | 'executed' | 'unknown';
    readonly why: OncewardWhy;
    readonly problem: OncewardProblem | null;
    readonly response: Response | null;
    /** What fetch threw, where there was no answer. */
    readonly cause: unknown;
    readonly key: string | null;
    readonly attempts: number;
};
export type OncewardFailure = Exclude<OncewardResult, {
    kind: 'answered';
}>;
export declare class OncewardError extends Error {
    readonly result: OncewardFailure;
    constructor(result: OncewardFailure);
}
export type OncewardClient = {
    /** Every end as a value. Throws TypeError for what cannot be sent, before anything is. */
    readonly send: (input: string | URL, init?: OncewardInit) => Promise<OncewardResult>;
    /** In place of fetch: the response, or OncewardError for every other end. */
    readonly fetch: (input: string | URL, init?: OncewardInit) => Promise<Response>;
};
export declare function createOncewardClient(options?: OncewardClientOptions): OncewardClient;
export type Heard = 
/** No connection, a time-out, or half an answer. */
{
    readonly kind: 'failed';
} | {
    readonly kind: 'answer';
    readonly status: number;
    readonly problem: OncewardProblem | null;
    /** `x-should-retry` or `stripe-should-retry`. */
    readonly shouldRetry: 'yes' | 'no' | 'unsaid';
    readonly idempotencyStatus: string | null;
    readonly retryAfterMs: number | null;
};
export type Standing = {
    /** idempotent: harmless to repeat by its method. honoured: the server executes its key once. */
    readonly protection: 'idempotent' | 'honoured' | 'unknown';
    /** Whether an earlier attempt of this operation may have been executed. */
    readonly earlier: 'nothing' | 'maybe';
    readonly freshKey: 'never' | 'when-not-executed';
};
export type Judgement = {
    readonly retry: 'no' | 'same-key' | 'fresh-key';
    /** What the server asks for, at least. */
    readonly afterMs: number;
    /** What the operation ends as, were this its last answer. */
    readonly end: OncewardResult['kind'];
    readonly why: 'server-says' | 'unprotected';
    readonly next: Standing;
};
export declare function judge(heard: Heard, standing: Standing): Judgement;
/** RFC 9110 section 10.2.3: seconds or a date. Null where it is absent or neither. */
export declare function readRetryAfter(value: string | null, sentAt: string | null, wallMs: () => number): number | null;
/** Null where it is no problem document of RFC 9457. */
export declare function readProblem(contentType: string | null, body: string): OncewardProblem | null;
export {};
