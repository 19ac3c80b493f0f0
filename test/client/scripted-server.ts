import {
  createOncewardClient,
  type OncewardClient,
  type OncewardClientOptions,
  type OncewardRetry,
} from '../../client/onceward-client.ts';

/** What the server does with an attempt; `hang` is never answered, and its time passes at once. */
export type Step =
  | 'fail'
  | 'hang'
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
      /** The connection breaks after the body so far. */
      readonly end?: 'broken';
    };

export type SentAttempt = {
  readonly method: string;
  readonly key: string | null;
  readonly contentType: string | null;
  readonly body: RequestInit['body'];
};

export type ScriptedServer = {
  readonly client: OncewardClient;
  readonly sent: readonly SentAttempt[];
  readonly retries: readonly OncewardRetry[];
  readonly nowMs: () => number;
};

/**
 * A client whose server, time and chance are the test's. A wait passes at once and moves the clock; the time of an
 * attempt passes only where the server hangs. The last step is repeated.
 */
export function scriptedServer(
  steps: readonly Step[],
  options: OncewardClientOptions = {},
  onAttempt: (attempt: number) => void = () => undefined,
): ScriptedServer {
  const sent: SentAttempt[] = [];
  const retries: OncewardRetry[] = [];
  let nowMs = 1_000;
  let keys = 0;
  let nextTimer: 'attempt' | 'wait' = 'attempt';
  let timeIsUp: () => void = () => undefined;
  const client = createOncewardClient({
    random: () => 0.5,
    newKey: () => {
      keys += 1;
      return `key-${keys}`;
    },
    monotonicMs: () => nowMs,
    wallMs: () => Date.UTC(2026, 0, 1),
    onRetry: (retry) => {
      retries.push(retry);
      nextTimer = 'wait';
    },
    startTimer(ms, run) {
      let wanted: 'yes' | 'no' = 'yes';
      const pass = (): void => {
        if (wanted === 'no') return;
        nowMs += ms;
        run();
      };
      if (nextTimer === 'wait') queueMicrotask(pass);
      else timeIsUp = pass;
      nextTimer = 'attempt';
      return () => {
        wanted = 'no';
      };
    },
    async fetch(_, init) {
      const headers = new Headers(init.headers);
      sent.push({
        method: init.method ?? '',
        key: headers.get('idempotency-key'),
        contentType: headers.get('content-type'),
        body: init.body ?? null,
      });
      onAttempt(sent.length);
      const step = steps[Math.min(sent.length, steps.length) - 1] ?? 'fail';
      if (step === 'fail') throw new TypeError('fetch failed');
      if (step === 'hang') {
        queueMicrotask(timeIsUp);
        return await new Promise<Response>(() => undefined);
      }
      return responseOf(step);
    },
    ...options,
  });
  return { client, sent, retries, nowMs: () => nowMs };
}

function responseOf({ status, headers = {}, body = '', end }: Exclude<Step, string>): Response {
  if (end === undefined) return new Response(status === 204 ? null : body, { status, headers });
  let pulls = 0;
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      pulls += 1;
      if (pulls === 1) {
        controller.enqueue(new TextEncoder().encode(body));
        return;
      }
      // An error drops what has not been read yet.
      await new Promise((resolve) => setImmediate(resolve));
      controller.error(new TypeError('terminated'));
    },
  });
  return new Response(stream, { status, headers });
}

/** A problem as Onceward writes it. */
export function problemStep(
  status: number,
  code: string,
  members: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>> = {},
): Step {
  return {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
    body: JSON.stringify({ type: `urn:onceward:problem:${code}`, code, status, ...members }),
  };
}
