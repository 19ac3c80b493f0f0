import { describe, expect, it } from 'vitest';
import {
  type ForwardFacts,
  forwardRequestHeaders,
  nominatedFields,
  withContentLength,
} from '../../src/core/headers.ts';

/** Whole lists of field lines: nothing is there that should not be, and in this order. */

const facts: ForwardFacts = {
  peerAddress: '192.0.2.7',
  protocol: 'http',
  host: 'shop.example',
  forwarding: 'untrusted',
  upstreamHost: null,
  httpVersion: '1.1',
  execution: null,
};

const VIA = ['Via', '1.1 onceward'];
const FOR = ['X-Forwarded-For', '192.0.2.7'];
const HOST = ['X-Forwarded-Host', 'shop.example'];
const PROTO = ['X-Forwarded-Proto', 'http'];
const OWN = [...VIA, ...FOR, ...HOST, ...PROTO];

describe('a forwarded request', () => {
  it.each<[string, readonly string[], Partial<ForwardFacts>, readonly string[]]>([
    ['has our fields where it had none', [], {}, OWN],
    ['keeps its host', ['Host', 'a'], {}, ['Host', 'a', ...OWN]],
    [
      'has the host of the upstream where that is set',
      ['HOST', 'a', 'X', '1'],
      { upstreamHost: 'up' },
      ['X', '1', 'Host', 'up', ...OWN],
    ],
    ['says no host where there was none', [], { host: '' }, [...VIA, ...FOR, ...PROTO]],
    ['says how it came', [], { protocol: 'https' }, [...VIA, ...FOR, ...HOST, 'X-Forwarded-Proto', 'https']],
    ['says its version', [], { httpVersion: '1.0' }, ['Via', '1.0 onceward', ...FOR, ...HOST, ...PROTO]],
    [
      'has one Via of all it came through',
      ['via', '1.0 a', 'X', '1', 'Via', '1.1 b'],
      {},
      ['X', '1', 'Via', '1.0 a, 1.1 b, 1.1 onceward', ...FOR, ...HOST, ...PROTO],
    ],
    [
      'loses what an untrusted peer says of the way',
      [
        ...['Forwarded', 'for=a', 'X-Real-IP', 'b', 'X-Forwarded-For', 'c', 'X-Forwarded-Host', 'd'],
        ...['X-Forwarded-Proto', 'e', 'X-Forwarded-Port', 'f', 'X-Forward', 'g'],
      ],
      {},
      ['X-Forward', 'g', ...OWN],
    ],
    [
      'keeps what a trusted peer says of the way, and adds to it',
      [
        ...['Forwarded', 'for=a', 'X-Real-IP', 'b', 'X-Forwarded-For', 'c', 'X-Forwarded-Host', 'd'],
        ...['X-Forwarded-Proto', 'e', 'X-Forwarded-Port', 'f', 'x-forwarded-for', 'g'],
      ],
      { forwarding: 'trusted' },
      [
        ...['Forwarded', 'for=a', 'X-Real-IP', 'b', 'X-Forwarded-Host', 'd'],
        ...['X-Forwarded-Proto', 'e', 'X-Forwarded-Port', 'f', ...VIA],
        ...['X-Forwarded-For', 'c, g, 192.0.2.7'],
      ],
    ],
    [
      'gets what a trusted peer did not say',
      ['X-Real-IP', 'b'],
      { forwarding: 'trusted' },
      ['X-Real-IP', 'b', ...OWN],
    ],
    [
      'under a claim says which, and keeps the codings it asked for',
      ['Accept-Encoding', 'br', 'Onceward-Attempt', '9', 'Onceward-X', '9', 'X-Onceward-', '1'],
      { execution: { token: 12, attempt: 2, acceptEncoding: 'keep' } },
      [
        ...['Accept-Encoding', 'br', 'X-Onceward-', '1', ...OWN],
        ...['Onceward-Attempt', '2', 'Onceward-Fencing-Token', '12'],
      ],
    ],
    [
      'under a claim asks for no coding where the route wants none',
      ['accept-encoding', 'br', 'Accept', '*/*'],
      { execution: { token: 12, attempt: 2, acceptEncoding: 'identity' } },
      [
        ...['Accept', '*/*', 'Accept-Encoding', 'identity', ...OWN],
        ...['Onceward-Attempt', '2', 'Onceward-Fencing-Token', '12'],
      ],
    ],
    ['without a claim keeps its codings', ['Accept-Encoding', 'br'], {}, ['Accept-Encoding', 'br', ...OWN]],
    ['keeps a name without a value', ['X'], {}, ['X', '', ...OWN]],
    [
      'loses Proxy-Authenticate and what a connection names',
      ['Proxy-Authenticate', 'a', 'Connection', 'x', 'X', '1', 'Y', '2'],
      {},
      ['Y', '2', ...OWN],
    ],
  ])('%s', (_what, rawHeaders, over, expected) => {
    expect(forwardRequestHeaders(rawHeaders, { ...facts, ...over })).toEqual(expected);
  });

  it.each([
    [
      ['A', 'b', 'CONTENT-LENGTH', '9', 'C', 'd'],
      ['A', 'b', 'CONTENT-LENGTH', '0', 'C', 'd'],
    ],
    [
      ['A', 'content-length'],
      ['A', 'content-length', 'Content-Length', '0'],
    ],
    [[], ['Content-Length', '0']],
  ])('%j with a body of no bytes is %j', (headers, expected) => {
    expect(withContentLength(headers, 0)).toEqual(expected);
  });
});

describe('what a connection nominates', () => {
  it.each([
    [[], null],
    [['Connection', ''], null],
    [['Connection'], null],
    [['Connection', 'close, Keep-Alive ,'], null],
    [
      ['connection', 'A, b', 'X', 'y', 'CONNECTION', 'c,A'],
      ['a', 'b', 'c'],
    ],
    [['Connections', 'a', 'Connectiox', 'b', 'X', 'connection'], null],
  ])('of %j is %j', (rawHeaders, names) => {
    const found = nominatedFields(rawHeaders);

    expect(found === null ? null : [...found]).toEqual(names);
  });
});
