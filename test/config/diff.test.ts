import { describe, expect, it } from 'vitest';
import { diffPolicies } from '../../src/config/diff.ts';
import { loadConfigText } from '../../src/config/load.ts';
import type { ResolvedConfig } from '../../src/config/resolved.ts';

function config(text: string): ResolvedConfig {
  const loaded = loadConfigText(`upstream: { url: http://127.0.0.1:3000 }\n${text}`, 'o.yaml', {});
  if (loaded.kind === 'ok') return loaded.config;
  throw new Error(loaded.faults.map((fault) => fault.text).join('\n'));
}

function textsOf(before: string, after: string): readonly string[] {
  return diffPolicies(config(before), config(after)).map(({ text }) => text);
}

const route = (fields: string, name = 'pay', path = '/pay'): string =>
  `unmatched: bypass\nroutes:\n  - { name: ${name}, match: { path: ${path} }${fields === '' ? '' : `, ${fields}`} }`;

describe('a change of the configuration', () => {
  it.each([
    ['nothing', '', '', null],
    [
      'the keyspace',
      '',
      'keyspace: b',
      'route pay: keyspace default is now b; a repeat of an older request is not found and executes again',
    ],
    [
      'the scope',
      '',
      'scope: { headers: [X-Tenant] }',
      'route pay: scope.headers [authorization] is now [x-tenant]; keys are looked up under another scope, so a repeat of an older request is not found and executes again',
    ],
    [
      'the cookies of the scope',
      '',
      'scope: { cookies: [sid] }',
      'route pay: scope.cookies [] is now [sid]; keys are looked up under another scope, so a repeat of an older request is not found and executes again',
    ],
    ['the order of the scope', 'scope: { headers: [A, B] }', 'scope: { headers: [b, a] }', null],
    [
      'anonymous callers refused',
      'scope: { anonymous: allow }',
      '',
      'route pay: scope.anonymous is now refuse; callers without credentials get 400',
    ],
    ['anonymous callers allowed', '', 'scope: { anonymous: allow }', null],
    [
      'the fingerprint',
      '',
      'fingerprint: { query: parsed, body: canonical-json }',
      'route pay: the fingerprint changed (query, body); repeats of older requests get 409 policy-changed until retain is over, and are not executed',
    ],
    [
      'renewed credentials that are no longer refused',
      'tenants: single, rotated: refuse',
      '',
      'route pay: rotated is now execute; a repeat that comes with another credential executes again',
    ],
    [
      'deliveries that are no longer verified',
      'message: { preset: github, secrets: ["12345678"] }',
      'message: github',
      'route pay: deliveries are no longer verified; whoever can reach the route can use up an id',
    ],
    [
      'deliveries that are verified now',
      'message: github',
      'message: { preset: github, secrets: ["12345678"] }',
      null,
    ],
    [
      'tickets in place of keys',
      'key: { required: true }, keyIdempotentMethods: true',
      'ticket: {}',
      'route pay: a key must be a ticket now; a repeat with a key of the caller gets 412',
    ],
    [
      'keys in place of tickets',
      'ticket: {}',
      'key: { sources: [{ header: Idempotency-Key }, { form: _ticket }, { query: _ticket }] }, keyIdempotentMethods: true',
      'route pay: a key need not be a ticket any more; callers make their own',
    ],
    [
      'a sequence in place of a key',
      '',
      'sequence: {}',
      'route pay: sequence is now on; keys are no longer looked for',
    ],
    [
      'a key in place of a sequence',
      'sequence: {}',
      '',
      'route pay: sequence is now off; numbers of producers are no longer looked for',
    ],
    [
      'the keyspace of a sequence',
      'sequence: {}',
      'sequence: {}, keyspace: b',
      'route pay: keyspace default is now b, in which producers begin at 0; their next numbers get 409 sequence-gap, and a repeat of number 0 executes again',
    ],
    [
      'the scope of a sequence',
      'sequence: {}',
      'sequence: {}, scope: { headers: [X-Tenant] }',
      'route pay: producers are looked up under another scope; they get 412 producer-unknown',
    ],
    ['what a sequence does not read', 'sequence: {}', 'sequence: {}, key: { syntax: strict }', null],
    ['the order of its fields', 'fingerprint: { headers: [A, B] }', 'fingerprint: { headers: [B, A] }', null],
    [
      'a key source dropped',
      'key: { sources: [{ header: A }, { query: b }] }',
      'key: { sources: [{ header: A }] }',
      'route pay: a key in the query parameter b is no longer looked for; repeats that carry it there are executed again',
    ],
    [
      'a key source added',
      'key: { sources: [{ header: A }] }',
      'key: { sources: [{ header: A }, { query: b }] }',
      null,
    ],
    [
      'every source dropped',
      '',
      'key: { sources: [] }',
      'route pay: no place to look for a key is left; repeats are executed again',
    ],
    [
      'quotes demanded',
      '',
      'key: { syntax: strict }',
      'route pay: key.syntax is now strict; a repeat whose key is not in quotes gets 400',
    ],
    [
      'case folded',
      '',
      'key: { characters: uuid }',
      'route pay: key.characters visible-ascii is now uuid, which compares case otherwise; a repeat whose key has capital letters executes again',
    ],
    ['observe mode', '', 'mode: observe', 'route pay: mode is now observe; repeats are executed again'],
    [
      'PUT no longer keyed',
      'keyIdempotentMethods: true',
      '',
      'route pay: keyIdempotentMethods is now off; repeats of PUT and DELETE are executed again',
    ],
    ['time-outs and retention', '', 'retain: 48h, lease: 20s, timeouts: { head: 5s }', null],
  ])('%s is told with its consequence', (_, before, after, text) => {
    expect(textsOf(route(before), route(after))).toEqual(text === null ? [] : [text]);
  });

  it('that renames a route loses nothing', () => {
    expect(textsOf(route(''), route('', 'payments'))).toEqual([]);
  });

  it('that takes a route away says where its requests go now', () => {
    expect(textsOf(route(''), 'unmatched: bypass')).toEqual([
      'route pay, whose requests now go to unmatched: no place to look for a key is left; repeats are executed again',
    ]);
    expect(textsOf(route(''), 'unmatched: not-found')).toEqual([
      'route pay: its requests match no route any more; repeats get 404',
    ]);
    expect(textsOf(route('keyspace: a'), 'unmatched: defaults')).toEqual([
      'route pay, whose requests now go to unmatched: keyspace a is now default; a repeat of an older request is not found and executes again',
    ]);
  });

  it('that puts a new route before an old one says what it takes', () => {
    const before = 'routes: [{ name: all }]';
    const after = 'routes: [{ name: special, match: { path: /a/* }, keyspace: b }, { name: all }]';

    expect(textsOf(before, after)).toEqual([
      'route all, whose requests now go to special: keyspace default is now b; a repeat of an older request is not found and executes again',
    ]);
  });

  it('of the defaults is told for requests without a route', () => {
    expect(textsOf('', 'defaults: { keyspace: b }')).toEqual([
      'route unmatched: keyspace default is now b; a repeat of an older request is not found and executes again',
    ]);
  });

  it('of a route that never protected anything loses nothing', () => {
    expect(textsOf(route('mode: observe'), route('keyspace: b'))).toEqual([]);
  });
});
