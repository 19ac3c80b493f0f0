import { type Agent, request } from 'node:http';

export type SentRequest = {
  readonly method?: string;
  readonly path?: string;
  /** Several values are several lines. */
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string;
  readonly agent?: Agent;
  readonly signal?: AbortSignal;
};

export type Answer = {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
};

const BODILESS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

/** One request, POST where nothing else is said; rejects when the connection breaks before the whole answer is there. */
export function sendRequest(port: number, sent: SentRequest = {}): Promise<Answer> {
  const { method = 'POST', path = '/charges', headers = {}, body = '{}', agent } = sent;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: '127.0.0.1',
        port,
        method,
        path,
        agent: agent ?? false,
        headers: BODILESS.has(method)
          ? headers
          : {
              'Content-Type': 'application/json',
              'Content-Length': String(Buffer.byteLength(body)),
              ...headers,
            },
        ...(sent.signal === undefined ? {} : { signal: sent.signal }),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            rawHeaders: response.rawHeaders,
            body: Buffer.concat(chunks),
          }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(BODILESS.has(method) ? undefined : body);
  });
}

/** The fields of a keyed request of a caller. */
export function keyed(key: string, caller = 'Bearer one'): Readonly<Record<string, string>> {
  return { 'Idempotency-Key': `"${key}"`, Authorization: caller };
}

/** `code` of a problem, or '' where the answer is none. */
export function problemCode(answer: Answer): string {
  if (answer.headers['content-type'] !== 'application/problem+json') return '';
  const parsed: unknown = JSON.parse(answer.body.toString('utf8'));
  return typeof parsed === 'object' && parsed !== null && 'code' in parsed ? String(parsed.code) : '';
}

/** Asks again until the answer fits; the deadline is an error that shows the last one. */
export async function until<T>(
  ask: () => Promise<T>,
  fits: (value: T) => boolean,
  deadlineMs = 15_000,
): Promise<T> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    const value = await ask();
    if (fits(value)) return value;
    if (performance.now() > endMs)
      throw new Error(`not within ${deadlineMs} ms; last: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
