import { describe, expect, it } from 'vitest';
import {
  endToEndResponseHeaders,
  type ForwardFacts,
  forwardRequestHeaders,
  markKeyed,
  replayHeaders,
  retryAfterMs,
  withContentLength,
} from '../../src/core/headers.ts';
import type { StoredResponse } from '../../src/core/record.ts';

const facts: ForwardFacts = {
  peerAddress: '192.0.2.7',
  protocol: 'http',
  host: 'shop.example',
  forwarding: 'untrusted',
  upstreamHost: null,
  httpVersion: '1.1',
  execution: null,
};

function valuesOf(headers: readonly string[], name: string): readonly string[] {
  return headers.flatMap((item, at) =>
    at % 2 === 0 && item.toLowerCase() === name ? [headers[at + 1] ?? ''] : [],
  );
}

describe('the request that goes upstream', () => {
  it('keeps order, repetition and case of what is end to end', () => {
    const headers = forwardRequestHeaders(
      ['HOST', 'shop.example', 'X-b', '1', 'x-A', '2', 'X-b', '3'],
      facts,
    );

    expect(headers.slice(0, 8)).toEqual(['HOST', 'shop.example', 'X-b', '1', 'x-A', '2', 'X-b', '3']);
  });

  it.each([
    'Connection',
    'Keep-Alive',
    'Proxy-Connection',
    'TE',
    'Trailer',
    'Transfer-Encoding',
    'Upgrade',
    'Expect',
    'Proxy-Authorization',
    'HTTP2-Settings',
  ])('leaves %s behind', (name) => {
    expect(valuesOf(forwardRequestHeaders(['Host', 'a', name, 'x'], facts), name.toLowerCase())).toEqual([]);
  });

  it('leaves what Connection nominates behind', () => {
    expect(
      valuesOf(forwardRequestHeaders(['Connection', 'close, X-Hop', 'x-hop', '1'], facts), 'x-hop'),
    ).toEqual([]);
  });

  it('never passes on a field that pretends to be ours', () => {
    const headers = forwardRequestHeaders(['Onceward-Fencing-Token', '999', 'onceward-attempt', '7'], facts);

    expect(valuesOf(headers, 'onceward-fencing-token')).toEqual([]);
    expect(valuesOf(headers, 'onceward-attempt')).toEqual([]);
  });

  it('appends to Via, keeping what came before', () => {
    expect(valuesOf(forwardRequestHeaders(['Via', '1.0 fred'], facts), 'via')).toEqual([
      '1.0 fred, 1.1 onceward',
    ]);
  });

  it('believes no forwarding field of an untrusted peer', () => {
    const headers = forwardRequestHeaders(
      ['X-Forwarded-For', '198.51.100.1', 'Forwarded', 'for=x', 'X-Forwarded-Proto', 'https'],
      facts,
    );

    expect(valuesOf(headers, 'x-forwarded-for')).toEqual(['192.0.2.7']);
    expect(valuesOf(headers, 'forwarded')).toEqual([]);
    expect(valuesOf(headers, 'x-forwarded-proto')).toEqual(['http']);
  });

  it('extends the forwarding fields of a trusted peer', () => {
    const headers = forwardRequestHeaders(['X-Forwarded-For', '198.51.100.1', 'X-Forwarded-Proto', 'https'], {
      ...facts,
      forwarding: 'trusted',
    });

    expect(valuesOf(headers, 'x-forwarded-for')).toEqual(['198.51.100.1, 192.0.2.7']);
    expect(valuesOf(headers, 'x-forwarded-proto')).toEqual(['https']);
  });

  it('says which grant of the key it is and asks for the plain coding', () => {
    const execution = { token: 42, attempt: 3, acceptEncoding: 'identity' as const };
    const headers = forwardRequestHeaders(['Accept-Encoding', 'gzip'], { ...facts, execution });

    expect(valuesOf(headers, 'onceward-attempt')).toEqual(['3']);
    expect(valuesOf(headers, 'onceward-fencing-token')).toEqual(['42']);
    expect(valuesOf(headers, 'accept-encoding')).toEqual(['identity']);
  });

  it('has the length of the body it goes with, in place of the one it came with', () => {
    expect(withContentLength(['content-length', '9', 'A', 'b'], 4)).toEqual([
      'content-length',
      '4',
      'A',
      'b',
    ]);
    expect(withContentLength(['A', 'b'], 4)).toEqual(['A', 'b', 'Content-Length', '4']);
  });
});

describe('the response on its way back', () => {
  it('loses hop-by-hop fields and nothing else', () => {
    const headers = endToEndResponseHeaders(
      [
        'Date',
        'd',
        'Connection',
        'X-Hop',
        'X-Hop',
        '1',
        'Transfer-Encoding',
        'chunked',
        'set-cookie',
        'a',
        'Set-Cookie',
        'b',
      ],
      0,
    );

    expect(headers).toEqual(['Date', 'd', 'set-cookie', 'a', 'Set-Cookie', 'b']);
  });

  it('gets the Date that the backend left out', () => {
    expect(endToEndResponseHeaders([], 0)).toEqual(['Date', 'Thu, 01 Jan 1970 00:00:00 GMT']);
  });

  it.each(['Idempotency-Status', 'Idempotent-Replayed'])("renames a backend's own %s", (name) => {
    expect(endToEndResponseHeaders(['Date', 'd', name, 'x'], 0)).toEqual([
      'Date',
      'd',
      `Onceward-Upstream-${name}`,
      'x',
    ]);
  });

  it('tells a browser of the markers where the backend speaks CORS', () => {
    expect(
      valuesOf(markKeyed(['Access-Control-Allow-Origin', '*'], 'executed'), 'access-control-expose-headers'),
    ).toEqual(['Idempotency-Status, Idempotent-Replayed']);
  });

  it.each([
    [['Access-Control-Allow-Origin', '*', 'Access-Control-Expose-Headers', 'X-Id']],
    [['Access-Control-Expose-Headers', 'X-Id', 'Access-Control-Allow-Origin', '*']],
  ])('merges the markers into what the backend exposes', (headers) => {
    expect(valuesOf(markKeyed(headers, 'executed'), 'access-control-expose-headers')).toEqual([
      'X-Id, Idempotency-Status, Idempotent-Replayed',
    ]);
  });
});

describe('a replay', () => {
  const stored: Extract<StoredResponse, { kind: 'full' }> = {
    kind: 'full',
    status: 201,
    rawHeaders: ['Date', 'd', 'Set-Cookie', 'a=1', 'X-Request-Id', '7', 'Age', '3'],
    body: Buffer.from('four'),
    receivedAtMs: 10_000,
  };
  const replay = { withheldHeaders: ['x-request-id'], setCookie: 'withhold' as const };

  it('withholds cookies and what the route names, and says that it is one', () => {
    const headers = replayHeaders(stored, { replay }, 'replayed', 12_500);

    expect(headers).toEqual([
      'Date',
      'd',
      'Content-Length',
      '4',
      'Age',
      '5',
      'Idempotency-Status',
      'replayed',
      'Idempotent-Replayed',
      'true',
    ]);
  });

  it('keeps cookies as separate lines where the route asks for them', () => {
    const two = { ...stored, rawHeaders: ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2'] };

    expect(
      valuesOf(replayHeaders(two, { replay: { ...replay, setCookie: 'keep' } }, 'joined', 0), 'set-cookie'),
    ).toEqual(['a=1', 'b=2']);
  });

  it('has no negative age after a jump of the clock', () => {
    expect(valuesOf(replayHeaders({ ...stored, rawHeaders: [] }, { replay }, 'replayed', 0), 'age')).toEqual([
      '0',
    ]);
  });

  it.each([204, 304])('adds no length to a %i', (status) => {
    expect(
      valuesOf(
        replayHeaders({ ...stored, status, rawHeaders: [] }, { replay }, 'replayed', 0),
        'content-length',
      ),
    ).toEqual([]);
  });
});

describe('Retry-After', () => {
  it.each([
    [undefined, null],
    ['3', 3_000],
    [' 0 ', 0],
    ['soon', null],
    ['Thu, 01 Jan 1970 00:00:05 GMT', 4_000],
    ['Wed, 31 Dec 1969 23:59:59 GMT', 0],
  ])('of %s is %s ms from now', (value, ms) => {
    expect(retryAfterMs(value, 1_000)).toBe(ms);
  });
});
