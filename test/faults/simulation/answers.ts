import { firstValue } from '../../../src/core/wire.ts';
import type { Dispatched } from './backend.ts';
import type { Answer } from './connection.ts';

/** What a client makes of an answer, and whether it is the one that the backend gave. */

const OF_THE_HOP: ReadonlySet<string> = new Set([
  'age',
  'connection',
  'content-length',
  'date',
  'idempotency-status',
  'idempotent-replayed',
  'set-cookie',
  'transfer-encoding',
]);

/** Null: the same status, fields and bytes. */
export function differenceOf({ answer: said }: Dispatched, answer: Answer): string | null {
  if (said.status !== answer.status) return `status ${answer.status}, not ${said.status}`;
  if (!said.body.equals(answer.body)) return `${answer.body.byteLength} bytes, not ${said.body.byteLength}`;
  const fields = endToEnd(answer.rawHeaders);
  return fields === endToEnd(said.rawHeaders) ? null : `fields ${fields}`;
}

function endToEnd(rawHeaders: readonly string[]): string {
  let text = '';
  for (let i = 0; i < rawHeaders.length; i += 2)
    if (!OF_THE_HOP.has((rawHeaders[i] ?? '').toLowerCase()))
      text += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\n`;
  return text;
}

/** Where a task is asked for; null: the answer is not that of a start. */
export function taskOf({ status, rawHeaders }: Answer): string | null {
  const location = firstValue(rawHeaders, 'location');
  return status === 202 && location?.startsWith('/.well-known/onceward/tasks/') === true ? location : null;
}

type Told = { readonly state: string; readonly response?: Answer };

/** What a start or a status resource tells of a task; null: the answer is none of them. */
export function toldOf({ rawHeaders, body }: Answer): Told | null {
  if (firstValue(rawHeaders, 'x-exchange') !== undefined) return null;
  if (firstValue(rawHeaders, 'content-type') !== 'application/json') return null;
  const { state, response } = JSON.parse(body.toString());
  if (response?.body === undefined) return { state };
  const { status, headers } = response;
  return { state, response: { status, rawHeaders: headers.flat(), body: Buffer.from(response.body) } };
}

type Problem = { readonly code: string; readonly executed?: string; readonly retryable: boolean };

export function problemOf(answer: Answer): Problem | null {
  if (firstValue(answer.rawHeaders, 'content-type') !== 'application/problem+json') return null;
  return JSON.parse(answer.body.toString());
}
