import { request } from 'node:http';

/** A client as most are: it sends a key, tries again when it hears nothing or a 5xx, and stops at any other answer. */

export type Attempt = { readonly number: number; readonly answer: string; readonly status: number };

export async function chargeWithRetries(
  port: number,
  key: string,
  attemptsMax: number,
): Promise<readonly Attempt[]> {
  const attempts: Attempt[] = [];
  for (let number = 1; number <= attemptsMax; number++) {
    const attempt = await tryOnce(port, key, number);
    attempts.push(attempt);
    if (attempt.status > 0 && attempt.status < 500) break;
  }
  return attempts;
}

function tryOnce(port: number, key: string, number: number): Promise<Attempt> {
  const body = JSON.stringify({ amount: 4200, customer: 'ada' });
  return new Promise((resolve) => {
    const outgoing = request({
      host: '127.0.0.1',
      port,
      method: 'POST',
      path: '/charges',
      agent: false,
      headers: {
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(body),
        'Idempotency-Key': `"${key}"`,
      },
    });
    outgoing.on('error', () => resolve({ number, status: 0, answer: 'no answer: the connection broke' }));
    outgoing.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
      });
      response.on('error', () =>
        resolve({ number, status: 0, answer: 'half an answer: the connection broke' }),
      );
      response.on('end', () => {
        const status = response.statusCode ?? 0;
        resolve({
          number,
          status,
          answer: describe(status, text, String(response.headers['idempotency-status'] ?? '')),
        });
      });
    });
    outgoing.end(body);
  });
}

function describe(status: number, text: string, idempotencyStatus: string): string {
  if (status < 300) return `${status} ${text}${idempotencyStatus === '' ? '' : ` (${idempotencyStatus})`}`;
  const problem: unknown = JSON.parse(text);
  const code =
    typeof problem === 'object' && problem !== null && 'code' in problem ? String(problem.code) : '';
  return `${status} ${code}`;
}
