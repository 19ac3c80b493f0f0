// tidy: one file without dependencies, so that it can be copied into any project as it is.

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
  readonly backoff?: { readonly firstMs: number; readonly maxMs: number };
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
  readonly body?:
    | Encodable
    | (() => string | ArrayBuffer | ArrayBufferView | Blob | ReadableStream)
    | null
    | undefined;
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
  | 'server-says'
  /** No answer, and nothing is known that would make a retry safe. */
  | 'unprotected'
  | 'attempts'
  | 'time'
  | 'aborted';

export type OncewardResult =
  /** The server's answer, whatever its status. */
  | {
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

export type OncewardFailure = Exclude<OncewardResult, { kind: 'answered' }>;

export class OncewardError extends Error {
  readonly result: OncewardFailure;

  constructor(result: OncewardFailure) {
    super(wordsOf(result), { cause: result.cause });
    this.name = 'OncewardError';
    this.result = result;
  }
}

export type OncewardClient = {
  /** Every end as a value. Throws TypeError for what cannot be sent, before anything is. */
  readonly send: (input: string | URL, init?: OncewardInit) => Promise<OncewardResult>;
  /** In place of fetch: the response, or OncewardError for every other end. */
  readonly fetch: (input: string | URL, init?: OncewardInit) => Promise<Response>;
};

export function createOncewardClient(options: OncewardClientOptions = {}): OncewardClient {
  const settings = settingsOf(options);
  const send = (input: string | URL, init: OncewardInit = {}): Promise<OncewardResult> =>
    sendOperation(settings, operationOf(settings, input, init));
  return {
    send: async (input, init) => await send(input, init),
    async fetch(input, init) {
      const result = await send(input, init);
      if (result.kind === 'answered') return result.response;
      throw new OncewardError(result);
    },
  };
}

function wordsOf({ kind, why, problem }: OncewardFailure): string {
  const said = problem?.detail ?? problem?.code ?? 'no answer that says what became of it';
  return `${kind} (${why}): ${said}`;
}

// ---- What an answer means. Pure.

export type Heard =
  /** No connection, a time-out, or half an answer. */
  | { readonly kind: 'failed' }
  | {
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

const WORTH_A_RETRY: ReadonlySet<number> = new Set([408, 425, 429, 502, 503, 504]);
/** Of `Idempotency-Status`. After `unstored` the key is free, or tells that the outcome is not known. */
const FINAL: ReadonlySet<string> = new Set(['replayed', 'joined', 'unprotected']);
/** Given by whatever stands in front, without a look at the key: they say nothing of an attempt before. */
const NOT_OF_THE_KEY: ReadonlySet<number> = new Set([401, 403, 407, 408, 413, 421, 425, 429, 431]);
const ONCEWARD_PROBLEM = 'urn:onceward:problem:';

export function judge(heard: Heard, standing: Standing): Judgement {
  if (heard.kind === 'failed') {
    const repeatable = standing.protection !== 'unknown';
    return {
      retry: repeatable ? 'same-key' : 'no',
      afterMs: 0,
      end: 'unknown',
      why: 'unprotected',
      next: { ...standing, earlier: 'maybe' },
    };
  }
  const { problem } = heard;
  const telling = problem !== null && problem.retryable !== null ? problem : null;
  const afterMs = telling?.retryAfterMs ?? heard.retryAfterMs ?? 0;
  const retry = telling === null ? retryOfPlain(heard, standing) : retryOfProblem(telling, heard, standing);
  const earlier = telling?.executed === 'no' ? standing.earlier : 'maybe';
  // Who has read the key and speaks of it holds it: from here on its answer can be asked for again.
  const honours = standing.protection === 'unknown' && telling !== null && isOfTheKey(telling);
  const protection = honours ? 'honoured' : standing.protection;
  const freshKey = retry === 'fresh-key' ? 'never' : standing.freshKey;
  return {
    ...{ retry, afterMs, end: endOf(heard, telling, standing), why: 'server-says' },
    next: { protection, earlier, freshKey },
  };
}

/** `sameKey` alone does not tell: a server that is full, or that only observes, says it before it has read any key. */
function isOfTheKey({ sameKey, key }: OncewardProblem): boolean {
  return sameKey !== null && key !== null;
}

type Answer = Extract<Heard, { kind: 'answer' }>;

function retryOfProblem(problem: OncewardProblem, heard: Answer, standing: Standing): Judgement['retry'] {
  const { retryable, sameKey, executed, type } = problem;
  const own = type.startsWith(ONCEWARD_PROBLEM);
  if (standing.protection === 'idempotent' && sameKey === null) {
    // Onceward says of requests without a key that a repeat is not held back; here the method makes it harmless.
    return retryable === true || (own && WORTH_A_RETRY.has(heard.status)) ? 'same-key' : 'no';
  }
  if (retryable === true) {
    if (sameKey === false) return freshKeyFor(executed, standing);
    const safe = own || sameKey === true || executed === 'no' || standing.protection !== 'unknown';
    return safe ? 'same-key' : 'no';
  }
  return sameKey === false ? freshKeyFor(executed, standing) : 'no';
}

/** A fresh key is a second operation wherever the first one may have been executed. */
function freshKeyFor(executed: OncewardProblem['executed'], standing: Standing): 'no' | 'fresh-key' {
  const harmless = executed === 'no' && standing.earlier === 'nothing';
  return harmless && standing.freshKey === 'when-not-executed' ? 'fresh-key' : 'no';
}

/** An answer without a problem document: of the backend, or of a server that is not Onceward. */
function retryOfPlain(heard: Answer, { protection }: Standing): Judgement['retry'] {
  if (heard.status < 400 || heard.shouldRetry === 'no' || protection === 'unknown') return 'no';
  // Asked again, what is kept comes again, and what no record stands behind is executed again.
  if (FINAL.has(heard.idempotencyStatus ?? '')) return 'no';
  return heard.shouldRetry === 'yes' || WORTH_A_RETRY.has(heard.status) ? 'same-key' : 'no';
}

function endOf(
  heard: Answer,
  telling: OncewardProblem | null,
  { protection, earlier }: Standing,
): Judgement['end'] {
  if (protection === 'idempotent' && telling?.sameKey == null) return 'answered';
  switch (telling?.executed) {
    case 'yes':
      return 'executed';
    case 'unknown':
      return 'unknown';
    case 'no':
      // Without a word of the key it speaks of this attempt alone.
      return earlier === 'nothing' || (telling.sameKey === true && isOfTheKey(telling))
        ? 'not-executed'
        : 'unknown';
    default: {
      const ofTheKey =
        heard.idempotencyStatus !== null || !(NOT_OF_THE_KEY.has(heard.status) || heard.status >= 500);
      return earlier === 'nothing' || ofTheKey ? 'answered' : 'unknown';
    }
  }
}

/** RFC 9110 section 10.2.3: seconds or a date. Null where it is absent or neither. */
export function readRetryAfter(
  value: string | null,
  sentAt: string | null,
  wallMs: () => number,
): number | null {
  if (value === null) return null;
  const text = value.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  // The server's own clock, where its time of sending can be read: ours may be wrong.
  const untilMs = dateMs(text);
  if (untilMs === null) return null;
  return Math.max(0, untilMs - ((sentAt === null ? null : dateMs(sentAt)) ?? wallMs()));
}

/** Date.parse takes nearly everything for a date. */
function dateMs(text: string): number | null {
  if (!/^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? .*\d\d:\d\d:\d\d/.test(text)) return null;
  // The form of asctime is in UTC as well, and does not say so.
  const ms = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`);
  return Number.isNaN(ms) ? null : ms;
}

/** Null where it is no problem document of RFC 9457. */
export function readProblem(contentType: string | null, body: string): OncewardProblem | null {
  if (!/^application\/problem\+json\s*(?:;|$)/i.test(contentType ?? '')) return null;
  let read: unknown;
  try {
    read = JSON.parse(body);
  } catch {
    return null;
  }
  if (typeof read !== 'object' || read === null || Array.isArray(read)) return null;
  const members = new Map<string, unknown>(Object.entries(read));
  const text = (name: string): string | null => {
    const value = members.get(name);
    return typeof value === 'string' ? value : null;
  };
  const flag = (name: string): boolean | null => {
    const value = members.get(name);
    return typeof value === 'boolean' ? value : null;
  };
  const executed = text('executed');
  const waitMs = members.get('retryAfterMs');
  return {
    type: text('type') ?? 'about:blank',
    code: text('code'),
    detail: text('detail'),
    retryable: flag('retryable'),
    sameKey: flag('sameKey'),
    executed: executed === 'no' || executed === 'yes' || executed === 'unknown' ? executed : null,
    retryAfterMs: typeof waitMs === 'number' && Number.isFinite(waitMs) && waitMs >= 0 ? waitMs : null,
    key: text('idempotency_key'),
  };
}

// ---- One operation: attempts and waits.

/** A timer of more milliseconds runs at once. */
const NUMBER_MAX = 2 ** 31 - 1;

type Settings = Required<Omit<OncewardClientOptions, 'onRetry'>> & Pick<OncewardClientOptions, 'onRetry'>;

function settingsOf(options: OncewardClientOptions): Settings {
  const settings: Settings = {
    fetch: (input, init) => globalThis.fetch(input, init),
    server: 'unknown',
    keyField: 'Idempotency-Key',
    keySyntax: 'quoted',
    freshKey: 'never',
    attemptsMax: 5,
    totalMs: 60_000,
    attemptMs: 30_000,
    backoff: { firstMs: 250, maxMs: 8_000 },
    responseBytesMax: 16 * 1024 * 1024,
    random: Math.random,
    newKey: () => globalThis.crypto.randomUUID(),
    monotonicMs: () => performance.now(),
    wallMs: Date.now,
    startTimer(ms, run) {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
    ...options,
  };
  const { attemptsMax, totalMs, attemptMs, responseBytesMax, backoff } = settings;
  const inRange = (least: number, values: Readonly<Record<string, number>>): void => {
    for (const [name, value] of Object.entries(values)) {
      if (!(value >= least && value <= NUMBER_MAX))
        throw new TypeError(`${name} must be a number from ${least} to ${NUMBER_MAX}, and is ${value}`);
    }
  };
  inRange(1, { attemptsMax, totalMs, attemptMs });
  inRange(0, { responseBytesMax, ...backoff });
  return settings;
}

type Operation = {
  readonly input: string | URL;
  /** Without body, signal and key. */
  readonly init: RequestInit;
  readonly headers: Headers;
  readonly makeBody: () => Promise<RequestInit>;
  readonly key: string | null;
  readonly standing: Standing;
  readonly signal: AbortSignal | null;
  readonly responseBody: 'whole' | 'stream';
};

/** RFC 9110 section 9.2.2. A key on one of these is used when it is given. */
const IDEMPOTENT: ReadonlySet<string> = new Set([
  ...['GET', 'HEAD', 'OPTIONS', 'TRACE', 'QUERY', 'PUT', 'DELETE'],
]);
/** fetch writes these in upper case, whatever the caller wrote, and no others. */
const NORMALISED = /^(?:get|head|options|put|delete|post)$/i;

function operationOf(settings: Settings, input: string | URL, given: OncewardInit): Operation {
  if (typeof input !== 'string' && !(input instanceof URL))
    throw new TypeError('give a URL and an init: the body of a Request can be sent only once');
  if (typeof input === 'string' && /^[a-z][a-z0-9+.-]*:/i.test(input) && !URL.canParse(input))
    throw new TypeError(`no URL: ${input}`);
  const { body, signal = null, key: givenKey, server = settings.server, responseBody, ...init } = given;
  const headers = new Headers(init.headers);
  const said = init.method ?? 'GET';
  const method = NORMALISED.test(said) ? said.toUpperCase() : said;
  if (body !== null && body !== undefined && (method === 'GET' || method === 'HEAD'))
    throw new TypeError(`fetch sends no body with ${method}`);
  const inField = headers.get(settings.keyField);
  if (inField !== null && givenKey !== undefined)
    throw new TypeError(`give the key as "key" or as the field ${settings.keyField}, not as both`);
  const key = inField ?? keyText(settings, givenKey ?? (IDEMPOTENT.has(method) ? null : settings.newKey()));
  return {
    ...{ input, headers, key, signal },
    init: { ...init, method },
    makeBody: bodyMaker(body ?? null, headers),
    responseBody: responseBody ?? 'whole',
    standing: {
      protection: protectionOf(method, key, server),
      earlier: 'nothing',
      freshKey: givenKey === undefined && inField === null ? settings.freshKey : 'never',
    },
  };
}

function protectionOf(
  method: string,
  key: string | null,
  server: 'honours-key' | 'unknown',
): Standing['protection'] {
  if (key !== null && server === 'honours-key') return 'honoured';
  return IDEMPOTENT.has(method) ? 'idempotent' : 'unknown';
}

function keyText({ keySyntax }: Settings, key: string | null): string | null {
  if (key === null) return null;
  // What a String of RFC 9651 would have to escape is left out: not every server unescapes it.
  if (!/^[\x21\x23-\x5b\x5d-\x7e]{1,255}$/.test(key))
    throw new TypeError(
      'a key has 1 to 255 visible ASCII characters, without quotation marks and backslashes',
    );
  return keySyntax === 'quoted' ? `"${key}"` : key;
}

/** What can change between two attempts is copied or encoded once: other bytes under one key are refused. */
function bodyMaker(
  body: NonNullable<OncewardInit['body']> | null,
  headers: Headers,
): () => Promise<RequestInit> {
  const typed = (type: string | null): void => {
    if (type !== null && type !== '' && !headers.has('content-type')) headers.set('content-type', type);
  };
  if (body === null) return async () => ({});
  if (typeof body === 'string' || body instanceof Blob) return async () => ({ body });
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) {
    const bytes = bytesOf(body);
    return async () => ({ body: bytes });
  }
  if (body instanceof URLSearchParams) {
    typed('application/x-www-form-urlencoded;charset=UTF-8');
    const text = body.toString();
    return async () => ({ body: text });
  }
  if (body instanceof FormData) {
    const encoded = new Response(body);
    typed(encoded.headers.get('content-type'));
    const bytes = encoded.arrayBuffer();
    return async () => ({ body: await bytes });
  }
  if (typeof body === 'function') {
    return async () => {
      const made = body();
      return made instanceof ReadableStream
        ? // fetch demands it for a stream, and its types do not know it everywhere.
          Object.assign<RequestInit, object>({ body: made }, { duplex: 'half' })
        : { body: typeof made === 'string' || made instanceof Blob ? made : bytesOf(made) };
    };
  }
  throw new TypeError(
    'this body can be sent only once and so cannot be retried: give a string, bytes, a form, or a function that makes it anew for each attempt',
  );
}

function bytesOf(body: ArrayBuffer | ArrayBufferView): Uint8Array<ArrayBuffer> {
  if (ArrayBuffer.isView(body))
    return new Uint8Array(new Uint8Array(body.buffer, body.byteOffset, body.byteLength));
  if (body instanceof ArrayBuffer) return new Uint8Array(new Uint8Array(body));
  throw new TypeError('the function makes no body: give a string, bytes, a Blob or a stream');
}

async function sendOperation(settings: Settings, operation: Operation): Promise<OncewardResult> {
  const { attemptsMax, totalMs, attemptMs, monotonicMs, backoff, random } = settings;
  const { signal } = operation;
  const endMs = monotonicMs() + totalMs;
  let { key, standing } = operation;
  if (isAborted(signal)) {
    const nothing = { problem: null, response: null, cause: signal?.reason, key, attempts: 0 };
    return { kind: 'not-executed', why: 'aborted', ...nothing };
  }
  for (let attempt = 1; ; attempt += 1) {
    const limitMs = Math.min(attemptMs, endMs - monotonicMs());
    const exchange = await exchangeOnce(settings, operation, key, limitMs);
    const { heard, response, cause } = exchange;
    const { retry, afterMs, end, why, next } = judge(heard, standing);
    const problem = heard.kind === 'answer' ? heard.problem : null;
    const ended = (kind: OncewardResult['kind'], because: OncewardWhy): OncewardResult =>
      kind === 'answered' && response !== null
        ? { kind, response, key, attempts: attempt }
        : {
            kind: kind === 'answered' ? 'unknown' : kind,
            ...{ why: because, problem, response, cause, key, attempts: attempt },
          };
    if (isAborted(signal) && heard.kind === 'failed') return ended('unknown', 'aborted');
    if (retry === 'no') return ended(end, why);
    if (attempt >= attemptsMax) return ended(end, 'attempts');
    const ceilingMs = Math.min(backoff.maxMs, backoff.firstMs * 2 ** (attempt - 1));
    // Full jitter, upon what the server asks for: not all who were told the same second may come at once.
    const waitMs = afterMs + random() * ceilingMs;
    if (monotonicMs() + waitMs >= endMs) return ended(end, 'time');
    if (retry === 'fresh-key') key = keyText(settings, settings.newKey());
    settings.onRetry?.({
      ...{ attempt, waitMs, status: response?.status ?? 0, code: problem?.code ?? null },
      key: key === null ? 'none' : retry === 'fresh-key' ? 'fresh' : 'same',
    });
    if ((await pause(settings, waitMs, signal)) === 'aborted')
      return ended(end === 'answered' ? 'unknown' : end, 'aborted');
    // A timer may be late.
    if (monotonicMs() >= endMs) return ended(end, 'time');
    void response?.body?.cancel().catch(() => undefined);
    standing = next;
  }
}

/** A call, since it may change between two looks. */
function isAborted(signal: AbortSignal | null): boolean {
  return signal?.aborted === true;
}

function pause(settings: Settings, ms: number, signal: AbortSignal | null): Promise<'waited' | 'aborted'> {
  if (isAborted(signal)) return Promise.resolve('aborted');
  return new Promise((resolve) => {
    const onAbort = (): void => {
      stop();
      resolve('aborted');
    };
    const stop = settings.startTimer(ms, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve('waited');
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

type Exchange = { readonly heard: Heard; readonly response: Response | null; readonly cause: unknown };

/** One attempt; never rejects, and never outlives its time even where fetch does not look at its signal. */
async function exchangeOnce(
  settings: Settings,
  operation: Operation,
  key: string | null,
  limitMs: number,
): Promise<Exchange> {
  const { signal } = operation;
  const controller = new AbortController();
  const broken = new Promise<never>((_, reject) => {
    controller.signal.addEventListener('abort', () => reject(controller.signal.reason), { once: true });
  });
  broken.catch(() => undefined);
  const onAbort = (): void => controller.abort(signal?.reason);
  const stopTimer = settings.startTimer(limitMs, () =>
    controller.abort(new Error(`no answer within ${Math.ceil(limitMs)} ms`)),
  );
  let rest: 'read' | 'streams' = 'read';
  if (isAborted(signal)) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const answer = attemptOnce(settings, operation, key, controller.signal);
    answer.catch(() => undefined);
    const { exchange, body } = await Promise.race([answer, broken]);
    rest = body;
    return exchange;
  } catch (error) {
    // What hangs on in spite of its time-out is let go.
    controller.abort(error);
    return { heard: { kind: 'failed' }, response: null, cause: error };
  } finally {
    stopTimer();
    // A body that is still on its way stays the caller's to abort.
    if (rest === 'read') signal?.removeEventListener('abort', onAbort);
  }
}

const PROBLEM_BYTES_MAX = 64 * 1024;

async function attemptOnce(
  settings: Settings,
  { input, init, headers, makeBody, responseBody }: Operation,
  key: string | null,
  signal: AbortSignal,
): Promise<{ readonly exchange: Exchange; readonly body: 'read' | 'streams' }> {
  signal.throwIfAborted();
  const fields = new Headers(headers);
  const body = await makeBody();
  if (key !== null) fields.set(settings.keyField, key);
  const response = await settings.fetch(input, { ...init, ...body, headers: fields, signal });
  const contentType = response.headers.get('content-type');
  const isProblem = /^application\/problem\+json/i.test(contentType ?? '');
  const wanted = responseBody === 'whole' ? settings.responseBytesMax : isProblem ? PROBLEM_BYTES_MAX : 0;
  const read = wanted === 0 ? null : await readAhead(response, wanted);
  const field = (name: string): string | null => response.headers.get(name);
  const should = field('x-should-retry') ?? field('stripe-should-retry');
  const problem =
    isProblem && read !== null && read.byteLength <= PROBLEM_BYTES_MAX
      ? readProblem(contentType, new TextDecoder().decode(read))
      : null;
  return {
    body: read === null && response.body !== null ? 'streams' : 'read',
    exchange: {
      ...{ response, cause: null },
      heard: {
        ...{ kind: 'answer', status: response.status, problem },
        shouldRetry: should === 'true' ? 'yes' : should === 'false' ? 'no' : 'unsaid',
        idempotencyStatus: field('idempotency-status'),
        retryAfterMs: readRetryAfter(field('retry-after'), field('date'), settings.wallMs),
      },
    },
  };
}

/** The whole body from a copy, while the response keeps its own. Null: larger than that, the rest streams. */
async function readAhead(response: Response, bytesMax: number): Promise<Uint8Array | null> {
  const reader = response.clone().body?.getReader();
  if (reader === undefined) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return joined(chunks, bytes);
    bytes += value.byteLength;
    if (bytes > bytesMax) {
      // Ends only when the other copy does too.
      void reader.cancel().catch(() => undefined);
      return null;
    }
    chunks.push(value);
  }
}

function joined(chunks: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}
