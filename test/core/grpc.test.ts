import { describe, expect, it } from 'vitest';
import { endToEndTrailers, grpcStatus, messagesIn, resolveGrpc, settleGrpc } from '../../src/core/grpc.ts';
import type { ExchangeEnd } from '../../src/core/settle.ts';
import { resolveStatusTable } from '../../src/core/status-table.ts';

const POLICY = { status: resolveStatusTable({}), unprovenEnd: 'park' } as const;
const GRPC = resolveGrpc({});
const complete = (status: number): ExchangeEnd => ({ kind: 'complete', status, end: 'proven' });

function message(text: string): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(text.length, 1);
  return Buffer.concat([head, Buffer.from(text)]);
}

function settled(
  status: string | null,
  bytes: Uint8Array,
  body: 'captured' | 'over-limit' = 'captured',
  http = 200,
): unknown {
  const rawTrailers = status === null ? [] : ['grpc-status', status];
  return settleGrpc(complete(http), { rawHeaders: [], rawTrailers, body, bytes: () => bytes }, GRPC, POLICY);
}

const KEPT = { kind: 'complete', keep: 'full' };
const PARKED = { kind: 'park', reason: 'status' };
const NOT_PROVEN = { kind: 'park', reason: 'unproven-end' };

describe('a call of gRPC', () => {
  it.each([
    ['0', KEPT],
    ['1', PARKED],
    ['2', KEPT],
    ['4', PARKED],
    ['8', { kind: 'release' }],
    ['10', KEPT],
    ['14', PARKED],
    ['16', { kind: 'release' }],
    ['17', KEPT],
    ['00', NOT_PROVEN],
    ['-1', NOT_PROVEN],
    ['OK', NOT_PROVEN],
    [null, NOT_PROVEN],
  ])('with the status %s settles as the table says', (status, settlement) => {
    expect(settled(status, message('tea'))).toEqual(settlement);
  });

  it.each([
    ['no message', Buffer.alloc(0)],
    ['two messages', Buffer.concat([message('a'), message('b')])],
    ['half a message', message('tea').subarray(0, 6)],
    ['half a prefix', Buffer.from([0, 0])],
  ])('that says OK with %s is not proven', (_what, bytes) => {
    expect(settled('0', bytes)).toEqual(NOT_PROVEN);
  });

  it('that failed needs no message', () => {
    expect(settled('5', Buffer.alloc(0))).toEqual(KEPT);
  });

  it('over the limit was executed, and nothing is kept of it', () => {
    expect(settled('0', Buffer.alloc(0), 'over-limit')).toEqual({ kind: 'complete', keep: 'unstored' });
  });

  it.each([
    [503, { kind: 'release' }],
    [502, PARKED],
    [404, KEPT],
  ])('with the status %i of HTTP is judged by the table of HTTP', (http, settlement) => {
    expect(settled(null, Buffer.alloc(0), 'captured', http)).toEqual(settlement);
  });

  it('that broke off is parked, whatever stood in its head', () => {
    const end: ExchangeEnd = { kind: 'failed', cause: 'truncated', message: 'x' };
    const answer = {
      rawHeaders: ['grpc-status', '0'],
      rawTrailers: [],
      body: 'captured',
      bytes: () => message('tea'),
    } as const;

    expect(settleGrpc(end, answer, GRPC, POLICY)).toEqual({ kind: 'park', reason: 'truncated' });
  });

  it('has its status in the trailers before that in the head', () => {
    expect(grpcStatus(['grpc-status', '0'], ['grpc-status', '14'])).toBe(14);
  });
});

describe('messagesIn', () => {
  it('counts empty messages too', () => {
    expect(messagesIn(Buffer.concat([message(''), message('')]))).toBe(2);
  });

  it('takes no length beyond the bytes for a message', () => {
    expect(messagesIn(Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1]))).toBeNull();
  });
});

describe('endToEndTrailers', () => {
  it('keeps what belongs to the call, and nothing that frames, routes or authenticates', () => {
    const dropped = [
      'Content-Length',
      '1',
      'transfer-encoding',
      'chunked',
      'Set-Cookie',
      'a=1',
      ':status',
      '200',
      'Host',
      'x',
    ];

    expect(endToEndTrailers(['Grpc-Status', '0', ...dropped, 'x-bytes-bin', 'AA=='])).toEqual([
      'grpc-status',
      '0',
      'x-bytes-bin',
      'AA==',
    ]);
  });
});
