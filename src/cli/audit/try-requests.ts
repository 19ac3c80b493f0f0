import { classifyMethod } from '../../core/classify.ts';
import { ask } from '../../http/ask.ts';
import { createByteBudget } from '../../http/byte-budget.ts';
import { createUpstream } from '../../http/upstream.ts';
import type { AuditRequest } from './requests.ts';
import type { Seen, Trial } from './verdict.ts';

/** Sends each request twice, one after the other, and reads back what it did. */

export type Target = {
  readonly origin: string;
  /** Name, value …, of every request, those that read back included: credentials of the test backend. */
  readonly rawHeaders: readonly string[];
  /** own: where the request goes itself. */
  readonly check:
    | { readonly kind: 'own' }
    | { readonly kind: 'none' }
    | { readonly kind: 'path'; readonly target: string };
};

export type Tryer = {
  try(request: AuditRequest): Promise<Trial>;
  close(): Promise<void>;
};

const CONNECT_MS = 5_000;
const ANSWER_MS = 15_000;
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

export function createTryer({ origin, rawHeaders, check }: Target): Tryer {
  const upstream = createUpstream({
    origin,
    connectMs: CONNECT_MS,
    queueMs: CONNECT_MS,
    connectionsMax: 1,
    tls: () => null,
  });
  const budget = createByteBudget(ANSWER_BYTES_MAX);
  const host = new URL(origin).host;

  const send = async (
    method: string,
    target: string,
    fields: readonly string[],
    body: Uint8Array,
  ): Promise<Seen> => {
    const given = new Set(rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase()));
    const others = fields.filter((_, at) => !given.has((fields[at - (at % 2)] ?? '').toLowerCase()));
    const framing =
      body.byteLength > 0 || method === 'PUT' ? ['Content-Length', String(body.byteLength)] : [];
    return await ask({
      upstream,
      request: {
        ...{ method, target },
        rawHeaders: ['Host', host, ...rawHeaders, ...others, ...framing],
        body: framing.length === 0 ? { kind: 'none' } : { kind: 'bytes', bytes: body },
        sockets: 'keyed',
      },
      timeoutMs: ANSWER_MS,
      responseBytesMax: ANSWER_BYTES_MAX,
      budget,
      // A test backend may end its answers with the connection.
      unprovenEnd: 'trust',
      // When an answer came is nothing that is judged.
      wallMs: () => 0,
    });
  };

  return {
    async try({ method, target, rawHeaders: fields, body, check: ownCheck }) {
      const requestClass = classifyMethod(method) === 'safe' ? 'safe' : 'idempotent';
      const readFrom = ownCheck ?? checkOf(check, target, requestClass);
      const accept = fields.filter((_, at) => (fields[at - (at % 2)] ?? '').toLowerCase() === 'accept');
      const read = (from: string): Promise<Seen> => send('GET', from, accept, new Uint8Array(0));
      const first = await send(method, target, fields, body);
      const between = readFrom === null ? null : ([await read(readFrom), await read(readFrom)] as const);
      const second = await send(method, target, fields, body);
      const state =
        readFrom === null || between === null
          ? null
          : { target: readFrom, between, after: await read(readFrom) };
      return { method, first, second, state, requestClass };
    },
    close: () => upstream.close(),
  };
}

function checkOf(check: Target['check'], target: string, requestClass: 'safe' | 'idempotent'): string | null {
  if (check.kind === 'path') return check.target;
  // What a GET reads is its own answer.
  return check.kind === 'none' || requestClass === 'safe' ? null : target;
}
