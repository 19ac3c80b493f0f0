import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Loaded, loadConfigText } from '../../src/config/load.ts';
import { captureValues } from '../../src/core/capture.ts';
import { spanAt } from '../../src/core/json-span.ts';
import { afterProbe, judgeAnswer, type ReconcilePolicy, renderProbe } from '../../src/core/reconcile.ts';

function policyOf(reconcile: object): ReconcilePolicy {
  const file = { upstream: { url: 'http://h' }, routes: [{ name: 'r', quiet: '5m', reconcile }] };
  const loaded: Loaded = loadConfigText(JSON.stringify(file), 'test.yaml', {});
  if (loaded.kind === 'faults') throw new Error(loaded.faults.map(({ text }) => text).join('\n'));
  const policy = loaded.config.routes[0]?.reconcile;
  if (policy === undefined || policy === null) throw new Error('the route has no probe');
  return policy;
}

const RULES = [{ when: { status: 404 }, verdict: 'did-not-happen' }];

function targetOf(path: string, values: Readonly<Record<string, string>>): string | null {
  return (
    renderProbe(
      policyOf({
        request: { path },
        capture: Object.fromEntries(
          Object.keys(values).flatMap((n) => (n === 'key' ? [] : [[n, { query: n }]])),
        ),
        rules: RULES,
      }),
      new Map(Object.entries(values)),
    )?.target ?? null
  );
}

describe('the target of a probe', () => {
  test.each([
    ['/v1/payments?key={key}', { key: 'abc' }, '/v1/payments?key=abc'],
    ['/v1/payments?key={key}', { key: 'a&b=c#d/e?f+g%h' }, '/v1/payments?key=a%26b%3Dc%23d%2Fe%3Ff%2Bg%25h'],
    ["/s?query=m['k']:'{key}'", { key: "x' OR a:'b" }, "/s?query=m['k']:'x%27%20OR%20a%3A%27b'"],
    ['/v1/payments/{key}', { key: 'a b:é' }, '/v1/payments/a%20b%3A%C3%A9'],
    ['/v1/{account}/payments/{key}/state', { key: 'k', account: 'a' }, '/v1/a/payments/k/state'],
    ['/v1/payments?a={account}', { account: '', key: 'k' }, '/v1/payments?a='],
    ['/v1/payments/{key}', { key: '...' }, '/v1/payments/...'],
    // More than a value where it would land.
    ['/v1/payments/{key}', { key: '..' }, null],
    ['/v1/payments/{key}', { key: '.' }, null],
    ['/v1/payments/.{key}', { key: '.' }, null],
    ['/v1/payments/{key}/a', { key: '' }, null],
    ['/v1/payments/{key}', { key: '../admin' }, null],
    ['/v1/payments/{key}', { key: 'a\\b' }, null],
    ['/v1/payments/{key}', { key: 'a\r\nb' }, null],
    ['/v1/payments?key={key}', { key: '\ud800' }, null],
    ['/v1/payments?key={key}', {}, null],
    ['/v1/payments?key={key}', { key: 'k'.repeat(8192) }, null],
  ])('%s with %j is %s', (path, values: Readonly<Record<string, string>>, target) => {
    expect(targetOf(path, values)).toBe(target);
  });

  test('is one segment or one parameter whatever the key is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (key) => {
        const asked = targetOf('/a/{key}/b?c={key}&d=e', { key });
        if (asked === null) return;
        const url = new URL(asked, 'http://h');

        expect(url.pathname.split('/')).toEqual(['', 'a', expect.any(String), 'b']);
        expect([...url.searchParams.keys()]).toEqual(['c', 'd']);
        expect(url.searchParams.get('c')).toBe(key);
      }),
    );
  });
});

describe('fields and body of a probe', () => {
  const policy = policyOf({
    request: {
      method: 'POST',
      safe: true,
      path: '/search',
      headers: { 'X-Ref': 'ref {key}' },
      body: '{"ref": "{key}", "exact": true}',
    },
    rules: RULES,
  });

  test('have the values escaped for where they stand', () => {
    const probe = renderProbe(policy, new Map([['key', 'a"b\\c']]));

    expect(probe?.rawHeaders).toEqual(['X-Ref', 'ref a"b\\c']);
    expect(JSON.parse(probe?.body ?? '')).toEqual({ ref: 'a"b\\c', exact: true });
  });

  test.each(['a\r\nX-Admin: 1', 'a\nb', 'a\0b', 'é', '\u010a'])(
    'are not made with a key %j in a field',
    (key) => {
      expect(renderProbe(policy, new Map([['key', key]]))).toBeNull();
    },
  );
});

describe('what is captured of the first request', () => {
  const captures = policyOf({
    request: { path: '/p?a={json}{number}{flag}{header}{query}{segment}' },
    capture: {
      json: { json: '/customer/id' },
      number: { json: '/amount' },
      flag: { json: '/live' },
      header: { header: 'X-Account' },
      query: { query: 'of' },
      segment: { segment: 2 },
    },
    rules: RULES,
  }).capture;
  const captured = (target: string, rawHeaders: readonly string[], body: string) =>
    Object.fromEntries(
      captureValues(
        captures,
        'k',
        { method: 'POST', target, rawHeaders, httpVersion: '1.1' },
        Buffer.from(body),
      ),
    );

  test('is text, however it was sent', () => {
    const body = '{"customer": {"id": "c"}, "amount": 1.2e1, "live": true}';

    expect(captured('/v1/acc%20ount/x?of=a%2Bb+c', ['X-account', 'me'], body)).toEqual({
      key: 'k',
      json: 'c',
      number: '12',
      flag: 'true',
      header: 'me',
      query: 'a+b c',
      segment: 'acc ount',
    });
  });

  test.each([
    ['nothing', '/', [], ''],
    [
      'rubbish',
      '/v1/%zz?of=1&of=2',
      ['X-Account', 'a', 'x-account', 'b'],
      '{"amount": 9007199254740993, "live": null,',
    ],
    [
      'what is ambiguous or no value',
      '/v1',
      [],
      '{"customer":{"id":[1]},"amount":0.5,"live":null,"live":null}',
    ],
    ['what is too long', '/v1', ['X-Account', 'a'.repeat(513)], `{"customer":{"id":"${'a'.repeat(513)}"}}`],
  ])('leaves out %s', (_name, target, rawHeaders, body) => {
    expect(captured(target, rawHeaders, body)).toEqual({ key: 'k' });
  });
});

describe('the verdict of an answer', () => {
  const policy = policyOf({
    request: { path: '/p?ref={key}' },
    rules: [
      {
        when: { status: 200, json: { '/data/0/ref': '{key}', '/data/0/state': ['paid', 7, true] } },
        verdict: 'completed',
        replay: { status: 201, body: '/data/0', headers: { Location: '/p/{key}' } },
      },
      { when: { status: 200, json: { '/data': [] } }, verdict: 'did-not-happen' },
      {
        when: { status: [404, 410], json: { '/error': { is: 'present' }, '/data': { is: 'absent' } } },
        verdict: 'did-not-happen',
      },
      { when: { status: '5xx' }, verdict: 'unsure' },
      { when: { status: 418 }, verdict: 'completed' },
      { when: { status: 204 }, verdict: 'completed' },
    ],
  });
  const verdict = (status: number, body: string, rawHeaders: readonly string[] = [], key = 'k') =>
    judgeAnswer(
      policy,
      { status, rawHeaders, body: Buffer.from(body), receivedAtMs: 5 },
      new Map([['key', key]]),
    );

  test.each([
    ['the operation', 200, '{"data":[{"ref":"k","state":"paid"}]}', 'completed'],
    ['another value of the list', 200, '{"data":[{"ref":"k","state":7.0}]}', 'completed'],
    ['a boolean of the list', 200, '{"data":[{"ref":"k","state":true}]}', 'completed'],
    ['the operation of another key', 200, '{"data":[{"ref":"other","state":"paid"}]}', 'unsure'],
    ['the operation under way', 200, '{"data":[{"ref":"k","state":"pending"}]}', 'unsure'],
    ['a number where text is expected', 200, '{"data":[{"ref":"k","state":"7"}]}', 'unsure'],
    ['an empty list', 200, '{"data":[]}', 'did-not-happen'],
    ['an empty object for a list', 200, '{"data":{}}', 'unsure'],
    ['no list', 200, '{}', 'unsure'],
    ['a list cut short', 200, '{"data":[', 'unsure'],
    ['rubbish', 200, '<html>', 'unsure'],
    ['nothing', 200, '', 'unsure'],
    ['a repeated name', 200, '{"data":[],"data":[]}', 'unsure'],
    ['a 404 of the backend', 404, '{"error":"none"}', 'did-not-happen'],
    ['a 404 of a gateway', 404, 'no such route', 'unsure'],
    ['a failing backend', 503, '', 'unsure'],
    ['a status without a rule', 302, '', 'unsure'],
    ['a completed rule on any body', 418, 'x', 'completed'],
    ['a completed rule without a body', 204, '', 'completed'],
  ])('for %s (%s) is as said', (_name, status, body, kind) => {
    expect(verdict(status, body).kind).toBe(kind);
  });

  test('completed has the part byte for byte, with the digits of its numbers', () => {
    const item = '{ "state": "paid", "ref":"k",  "id": 123456789012345678901, "x": "}]\\"" }';

    expect(verdict(200, `{"data": [ ${item} , {"ref": "l"}]}`)).toEqual({
      kind: 'completed',
      response: {
        kind: 'full',
        status: 201,
        rawHeaders: ['Content-Type', 'application/json', 'Location', '/p/k'],
        body: Buffer.from(item),
        receivedAtMs: 5,
      },
    });
  });

  test('completed as is keeps only the fields that say how to read the body', () => {
    const rawHeaders = [
      'content-type',
      'text/plain',
      'Set-Cookie',
      'a',
      'ETag',
      '"1"',
      'Content-Length',
      '1',
    ];

    expect(verdict(418, 'x', rawHeaders)).toMatchObject({
      response: { status: 418, rawHeaders: ['Content-Type', 'text/plain'], body: Buffer.from('x') },
    });
  });

  test('is unsure where a field of the replay cannot be made', () => {
    expect(verdict(200, '{"data":[{"ref":"a\\nb","state":"paid"}]}', [], 'a\nb').kind).toBe('unsure');
  });

  test('a captured number is found as a number too', () => {
    const numbered = policyOf({
      request: { path: '/p?ref={key}' },
      rules: [{ when: { json: { '/n': '{key}' } }, verdict: 'completed' }],
    });
    const answer = { status: 200, rawHeaders: [], body: Buffer.from('{"n":42}'), receivedAtMs: 5 };

    expect(judgeAnswer(numbered, answer, new Map([['key', '42']])).kind).toBe('completed');
    expect(judgeAnswer(numbered, answer, new Map([['key', '042']])).kind).toBe('unsure');
    expect(judgeAnswer(numbered, answer, new Map()).kind).toBe('unsure');
  });
});

describe('after a probe', () => {
  const response = { kind: 'unstored', status: 200, receivedAtMs: 1 } as const;

  test.each([
    [{ kind: 'completed', response }, 0, { kind: 'complete', response }],
    [{ kind: 'did-not-happen' }, 999, { kind: 'hold', why: 'not-quiet' }],
    [{ kind: 'did-not-happen' }, 1000, { kind: 'release' }],
    [{ kind: 'unsure' }, 1e9, { kind: 'hold', why: 'unsure' }],
  ] as const)('%j of a key unknown for %s ms: %j', (verdict, unknownForMs, act) => {
    expect(afterProbe(verdict, unknownForMs, 1000)).toEqual(act);
  });
});

describe('the span of a member', () => {
  test('is the text that JSON.parse makes the same value of', () => {
    fc.assert(
      fc.property(
        fc.json({ maxDepth: 4 }),
        fc.nat(),
        fc.constantFrom('', ' ', '\n\t'),
        (compact, pick, space) => {
          const document: unknown = JSON.parse(compact);
          const text = JSON.stringify(document, null, space);
          const paths: (readonly string[])[] = [];
          const walk = (value: unknown, path: readonly string[]): void => {
            paths.push(path);
            if (typeof value === 'object' && value !== null)
              for (const [name, child] of Object.entries(value)) walk(child, [...path, name]);
          };
          walk(document, []);
          const path = paths[pick % paths.length] ?? [];
          const span = spanAt(text, path);
          let expected: unknown = document;
          for (const name of path) expected = (expected as Record<string, unknown>)[name];

          expect(JSON.parse(text.slice(span?.start, span?.end))).toEqual(expected);
        },
      ),
    );
  });
});
