import type { RoutePolicy, StatusAction } from '../../../src/core/policy.ts';
import { statusAction } from '../../../src/core/settle.ts';
import type { RawHeaders } from '../../../src/core/wire.ts';
import type { Draw } from './draw.ts';

/** What a backend may do with a request, and what it would answer. */

export type Behaviour =
  | 'answers'
  | 'refuses'
  | 'resets'
  | 'truncates'
  | 'hangs'
  | 'late'
  | 'stalls'
  | 'bad-framing';

export const FAULTY: readonly [Behaviour, ...Behaviour[]] = [
  'answers',
  'answers',
  'answers',
  'answers',
  'refuses',
  'resets',
  'truncates',
  'hangs',
  'late',
  'late',
  'stalls',
  'bad-framing',
];

const STATUSES: readonly [number, ...number[]] = [
  201, 201, 201, 201, 201, 200, 204, 302, 400, 409, 500, 501, 401, 425, 429, 503, 503, 408, 502, 504,
];

export type BackendAnswer = {
  readonly status: number;
  readonly rawHeaders: RawHeaders;
  readonly body: Buffer;
  readonly end: 'proven' | 'unproven';
  readonly action: StatusAction;
};

export function drawAnswer(
  draw: Draw,
  policy: RoutePolicy,
  id: number,
  read: { readonly principal: string; readonly key: string | null; readonly payload: string },
): BackendAnswer {
  const status = draw.pick(STATUSES);
  const over = draw.chance(0.08) ? policy.responseBytesMax : 0;
  const content = JSON.stringify({ exchange: id, ...read, pad: 'p'.repeat(over) });
  const body = Buffer.from(status === 204 ? '' : content);
  const framing = draw.pick(['length', 'length', 'length', 'chunked', 'none']);
  const rawHeaders = ['Content-Type', 'application/json', 'X-Exchange', String(id)];
  if (draw.chance(0.5)) rawHeaders.push('Date', 'Wed, 25 Nov 2026 12:00:00 GMT');
  if (draw.chance(0.2)) rawHeaders.push('X-Twice', 'one', 'X-Twice', 'two', 'Set-Cookie', `s=${id}`);
  if (status === 429 || status === 503) rawHeaders.push('Retry-After', '1');
  if (status !== 204) {
    if (framing === 'length') rawHeaders.push('Content-Length', String(body.byteLength));
    if (framing === 'chunked') rawHeaders.push('Transfer-Encoding', 'chunked');
  }
  const end = status !== 204 && framing === 'none' ? 'unproven' : 'proven';
  return { status, rawHeaders, body, end, action: statusAction(policy.status, status) };
}
