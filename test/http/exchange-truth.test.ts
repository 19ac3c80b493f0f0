import { afterEach, expect, it } from 'vitest';
import { fieldValues } from '../support/answer-reader.ts';
import type { Play } from '../support/scripted-upstream.ts';
import { keyedPost, requestText } from './request-text.ts';
import { codeOf, createStage, says } from './stage.ts';

/** What an exchange did not prove is not passed on or stored as if it had. */

/** A head without a length, a part of a body, and a reset when told. */
const CUT: Play = [
  { kind: 'bytes', bytes: 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\npartial' },
  { kind: 'gate', gate: 'go' },
  { kind: 'reset' },
];

const stage = createStage();
afterEach(() => stage.close());

it.for(['park', 'trust'] as const)(
  'with unprovenEnd: %s a response without a length that ends in a reset is broken off and not stored',
  async (unprovenEnd) => {
    const upstream = await stage.scripted();
    upstream.script('cut', [CUT]);
    const proxy = await stage.proxyTo(upstream.port, { defaults: `unprovenEnd: ${unprovenEnd}` });
    const client = await stage.client(proxy);

    client.send(keyedPost('/conf/cut/x'));
    await client.receives('partial');
    upstream.open('cut', 'go');
    const first = await client.answer();
    const repeat = await stage.client(proxy);
    repeat.send(keyedPost('/conf/cut/x'));
    const second = await repeat.answer();

    expect([first.status, first.end]).toEqual([200, 'broken']);
    expect([second.status, codeOf(second.body), upstream.seen('cut').length]).toEqual([
      409,
      'outcome-unknown',
      1,
    ]);
  },
);

it('an unkeyed response without a length that ends in a reset is broken off', async () => {
  const upstream = await stage.scripted();
  upstream.script('cut', [CUT]);
  const proxy = await stage.proxyTo(upstream.port);
  const client = await stage.client(proxy);

  client.send(requestText('GET', '/conf/cut/x'));
  await client.receives('partial');
  upstream.open('cut', 'go');
  const answer = await client.answer('GET');

  expect([answer.status, answer.end]).toEqual([200, 'broken']);
});

it('a response without a length that ends in a FIN is stored where the route trusts it', async () => {
  const upstream = await stage.scripted();
  upstream.script('fin', [
    [{ kind: 'bytes', bytes: 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nwhole' }, { kind: 'close' }],
  ]);
  const proxy = await stage.proxyTo(upstream.port, { defaults: 'unprovenEnd: trust' });
  const client = await stage.client(proxy);

  client.send(keyedPost('/conf/fin/x'));
  const first = await client.answer();
  client.send(keyedPost('/conf/fin/x'));
  const second = await client.answer();

  expect([first.body.toString(), second.status, second.body.toString()]).toEqual(['whole', 200, 'whole']);
  expect(upstream.seen('fin').length).toBe(1);
});

it('a response with a transfer coding that is not only chunked is refused, and its key parked', async () => {
  const upstream = await stage.scripted();
  upstream.script('gzip', [
    [
      {
        kind: 'bytes',
        bytes: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
      },
    ],
  ]);
  const proxy = await stage.proxyTo(upstream.port);
  const client = await stage.client(proxy);

  client.send(keyedPost('/conf/gzip/x'));
  const first = await client.answer();
  client.send(keyedPost('/conf/gzip/x'));
  const second = await client.answer();

  expect([first.status, codeOf(first.body)]).toEqual([502, 'upstream-failed']);
  expect([second.status, codeOf(second.body), upstream.seen('gzip').length]).toEqual([
    409,
    'outcome-unknown',
    1,
  ]);
});

it('an informational answer keeps fields that are named as what every object has', async () => {
  const upstream = await stage.scripted();
  const names = ['constructor', 'toString', '__proto__'];
  const head = ['HTTP/1.1 103 Early Hints', ...names.map((name) => `${name}: of the backend`)];
  upstream.script('named', [says('ok', { kind: 'bytes', bytes: `${head.join('\r\n')}\r\n\r\n` })]);
  const proxy = await stage.proxyTo(upstream.port);
  const client = await stage.client(proxy);

  client.send(keyedPost('/conf/named/x'));
  const [first] = (await client.answer()).informational;

  expect(first?.headers.map(([name, value]) => [name, value])).toEqual(
    names.map((name) => [name, 'of the backend']),
  );
});

it('an informational answer loses what belongs to its hop, its framing, and our own words', async () => {
  const upstream = await stage.scripted();
  const hints = [
    'HTTP/1.1 103 Early Hints',
    'Link: </a.css>; rel=preload',
    'Connection: X-Hop',
    'X-Hop: 1',
    'Transfer-Encoding: chunked',
    'Idempotency-Status: executed',
  ];
  const more = ['HTTP/1.1 103 Early Hints', 'Link: </b.css>; rel=preload', 'Content-Length: 5'];
  upstream.script('hints', [
    says(
      'ok',
      { kind: 'bytes', bytes: `${hints.join('\r\n')}\r\n\r\n` },
      { kind: 'bytes', bytes: `${more.join('\r\n')}\r\n\r\n` },
    ),
  ]);
  const proxy = await stage.proxyTo(upstream.port);
  const client = await stage.client(proxy);

  client.send(keyedPost('/conf/hints/x'));
  const answer = await client.answer();

  expect(answer.body.toString()).toBe('ok');
  expect(answer.informational.map(({ headers }) => fieldValues(headers, 'link'))).toEqual([
    ['</a.css>; rel=preload'],
    ['</b.css>; rel=preload'],
  ]);
  for (const { headers } of answer.informational)
    for (const name of ['connection', 'x-hop', 'transfer-encoding', 'content-length', 'idempotency-status'])
      expect([name, fieldValues(headers, name)]).toEqual([name, []]);
});

const FORWARDING = [
  ['X-Forwarded-Prefix', '/admin'],
  ['X-Forwarded-User', 'root'],
  ['X-Forwarded-Ssl', 'on'],
  ['X-Forwarded-Scheme', 'ftp'],
  ['X-Forwarded-Port', '1'],
  ['Forwarded', 'for=192.0.2.7'],
] as const;

it.for([
  { trusts: 'nobody', trusted: '', expected: 'dropped' },
  { trusts: 'another peer', trusted: 'trustedProxies: [192.0.2.0/24]', expected: 'dropped' },
  { trusts: 'this peer', trusted: 'trustedProxies: [127.0.0.0/8]', expected: 'kept' },
] as const)(
  'where the proxy trusts $trusts the forwarding fields of a peer are $expected',
  async ({ trusted, expected }) => {
    const upstream = await stage.scripted();
    upstream.script('fields', [says('ok')]);
    const proxy = await stage.proxyTo(upstream.port, { top: `drain: { timeout: 0s }\n${trusted}` });
    const client = await stage.client(proxy);

    client.send(requestText('POST', '/conf/fields/x', FORWARDING, 'x'));
    await client.answer();
    const headers = upstream.seen('fields')[0]?.headers ?? [];

    const kept = FORWARDING.filter(([name, value]) =>
      headers.some(([found, text]) => found.toLowerCase() === name.toLowerCase() && text.includes(value)),
    );
    expect(kept.length > 0 ? 'kept' : 'dropped').toBe(expected);
  },
);
