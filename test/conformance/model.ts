import type { Act, Play } from '../support/scripted-upstream.ts';

/** The form of a case. Everything is data, so that the cases can be read, listed and run against any base URL. */

/** Each has a route of this name in policies.yaml, chosen by the third segment of the path. */
export type PolicyName =
  | 'default'
  | 'required'
  | 'strict'
  | 'long'
  | 'uuid'
  | 'printable'
  | 'sources'
  | 'anonymous'
  | 'idempotent'
  | 'canonical'
  | 'select'
  | 'exclude'
  | 'parsed-query'
  | 'if-match'
  | 'accept-encoding'
  | 'reject'
  | 'short-wait'
  | 'other-keyspace'
  | 'small'
  | 'statuses'
  | 'cookies'
  | 'withhold'
  | 'trust'
  | 'late'
  | 'lapse'
  | 'retry-unknown'
  | 'short-retain'
  | 'mark'
  | 'observe';

export type HeaderFields = readonly (readonly [name: string, value: string])[];

export type RequestSpec = {
  /** Default POST. */
  readonly method?: string;
  /** After `/conf/<case-id>/<policy>`; begins with `/` or `?`. */
  readonly path?: string;
  /** In place of the whole target. */
  readonly target?: string;
  /** Shorthand for one Idempotency-Key line, sent as it is. */
  readonly key?: string;
  /** null: no Authorization. Default: one caller per case and run. */
  readonly caller?: string | null;
  /** After Host, Authorization and the key. */
  readonly headers?: HeaderFields;
  /** One character a byte. */
  readonly body?: string;
  /** How the body is framed; default length. */
  readonly framing?: 'length' | 'chunked' | 'none';
  /** Fields after the last chunk. */
  readonly trailers?: HeaderFields;
  /** In place of everything: exact bytes; `{host}`, `{target}` and `{caller}` are filled in. */
  readonly raw?: string;
  /** Which connection; the same name is the same connection. Default: a new one. */
  readonly connection?: string;
};

/** Exactly these lines in order; a string: exactly this one line; null: not there; some: at least one line. */
export type HeaderExpect = string | readonly string[] | null | { readonly some: RegExp };

export type UpstreamExpect = {
  /** Which hit of the case, from 1; default the last. */
  readonly hit?: number;
  readonly method?: string;
  readonly target?: string;
  readonly headers?: Readonly<Record<string, HeaderExpect>>;
  readonly body?: string;
  /** Its fencing token is greater than that of this earlier hit. */
  readonly tokenAbove?: number;
};

export type Expect = {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, HeaderExpect>>;
  /** Names with their case, which must follow each other in this order. */
  readonly order?: readonly string[];
  readonly body?: string;
  readonly end?: 'proven' | 'closed' | 'broken';
  /** Checks the members and fields of the code as well (problem-table.ts). */
  readonly problem?: string;
  /** Members of a problem beyond those of its code. */
  readonly members?: Readonly<Record<string, unknown>>;
  /** Hits of this case so far, after the answer. */
  readonly hits?: number;
  readonly informational?: readonly number[];
  readonly upstream?: UpstreamExpect;
  /** The answer equals that of an earlier step but for the marks of a replay. */
  readonly replayOf?: number;
  /** After the answer, how the proxy ends the connection; fin also where it resets after a whole answer. */
  readonly connection?: 'closed' | 'kept';
};

export type Step =
  | {
      readonly do: 'exchange';
      readonly request: RequestSpec;
      readonly script?: readonly Play[];
      readonly expect: Expect;
    }
  /** Sends and goes on at the next hit of the upstream; without `script` when the bytes are sent. */
  | {
      readonly do: 'begin';
      readonly name: string;
      readonly request: RequestSpec;
      readonly script?: readonly Play[];
    }
  | { readonly do: 'open'; readonly gate: string }
  | { readonly do: 'finish'; readonly name: string; readonly expect: Expect }
  /** The client of a begun request goes away. */
  | { readonly do: 'leave'; readonly name: string }
  /** Repeats a request until its answer has this status or code; for states that time brings about. */
  | { readonly do: 'until'; readonly request: RequestSpec; readonly expect: Expect };

export type ConformanceCase = {
  readonly id: string;
  readonly title: string;
  /** RFC section, draft, edge case or fault number. */
  readonly source: string;
  /** required: a promise or a MUST. optimal: what a good proxy does. */
  readonly kind: 'required' | 'optimal';
  readonly policy: PolicyName;
  readonly steps: readonly Step[];
};

export function exchange(request: RequestSpec, script: readonly Play[], expect: Expect): Step {
  return { do: 'exchange', request, script, expect };
}

/** A request that must not reach the upstream. */
export function refused(request: RequestSpec, expect: Expect): Step {
  return { do: 'exchange', request, expect };
}

export function begin(name: string, request: RequestSpec, script?: readonly Play[]): Step {
  return script === undefined ? { do: 'begin', name, request } : { do: 'begin', name, request, script };
}

export function open(gate: string): Step {
  return { do: 'open', gate };
}

export function finish(name: string, expect: Expect): Step {
  return { do: 'finish', name, expect };
}

export function bytes(text: string): Act {
  return { kind: 'bytes', bytes: text };
}

export function gate(name: string): Act {
  return { kind: 'gate', gate: name };
}

/** A whole answer with a length. */
export function answer(status: number, body: string, headers: readonly string[] = []): Play {
  const lines = headers.map((line) => `${line}\r\n`).join('');
  return [bytes(`HTTP/1.1 ${status} Said\r\n${lines}Content-Length: ${body.length}\r\n\r\n${body}`)];
}

/** A whole answer in chunks. */
export function chunked(
  status: number,
  parts: readonly string[],
  headers: readonly string[] = [],
  trailers: readonly string[] = [],
): Play {
  const lines = headers.map((line) => `${line}\r\n`).join('');
  const body = parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('');
  const tail = trailers.map((line) => `${line}\r\n`).join('');
  return [
    bytes(`HTTP/1.1 ${status} Said\r\n${lines}Transfer-Encoding: chunked\r\n\r\n${body}0\r\n${tail}\r\n`),
  ];
}

export function required(
  id: string,
  policy: PolicyName,
  title: string,
  source: string,
  ...steps: readonly Step[]
): ConformanceCase {
  return { id, title, source, kind: 'required', policy, steps };
}

export function optimal(
  id: string,
  policy: PolicyName,
  title: string,
  source: string,
  ...steps: readonly Step[]
): ConformanceCase {
  return { id, title, source, kind: 'optimal', policy, steps };
}
