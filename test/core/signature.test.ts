import { generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import Stripe from 'stripe';
import { describe, expect, it } from 'vitest';
import { type SignaturePolicy, type SignatureVerdict, signatureVerdict } from '../../src/core/signature.ts';
import { headOf } from '../support/request-head.ts';
import { selfSigned } from '../support/sns-message.ts';

/** Vectors marked as published are those of the senders' own documentation or libraries. */

type Delivery = {
  readonly target?: string;
  readonly headers: readonly string[];
  readonly body: string;
  readonly nowMs?: number;
};

function verdict(policy: SignaturePolicy, { target = '/hook', headers, body, nowMs = 0 }: Delivery) {
  const head = headOf({ target, rawHeaders: headers });
  return signatureVerdict(policy, head, Buffer.from(body), nowMs);
}

const STANDARD: SignaturePolicy = {
  scheme: 'standard-webhooks',
  secrets: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
  toleranceMs: 300_000,
};
const SENT_MS = 1_614_265_330_000;
const standard = (signature: string, id = 'msg_p5jXN8AQM9LWM0D4loKWxJek'): readonly string[] => [
  'Webhook-Id',
  id,
  'webhook-timestamp',
  '1614265330',
  'webhook-signature',
  signature,
];
const PUBLISHED = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=';
const BODY = '{"test": 2432232314}';

describe('a Standard Webhook', () => {
  it.each<readonly [string, Partial<Delivery>, SignatureVerdict]>([
    ['as published', {}, 'genuine'],
    ['with another body', { body: `${BODY} ` }, 'mismatch'],
    ['with another id', { headers: standard(PUBLISHED, 'msg_other') }, 'mismatch'],
    ['at the edge of the tolerance', { nowMs: SENT_MS + 300_000 }, 'genuine'],
    ['after the tolerance', { nowMs: SENT_MS + 300_001 }, 'expired'],
    ['before the tolerance', { nowMs: SENT_MS - 300_001 }, 'expired'],
    [
      'with several signatures, one of them ours',
      { headers: standard(`v1,AAAA v2,x ${PUBLISHED}`) },
      'genuine',
    ],
    [
      'with the signature of another version',
      { headers: standard(PUBLISHED.replace('v1', 'v2')) },
      'mismatch',
    ],
    ['without a signature', { headers: standard(PUBLISHED).slice(0, 4) }, 'missing'],
    ['with two ids', { headers: [...standard(PUBLISHED), 'webhook-id', 'msg_other'] }, 'malformed'],
    [
      'with a time that is none',
      { headers: ['webhook-id', 'a', 'webhook-timestamp', '1e9', 'webhook-signature', PUBLISHED] },
      'malformed',
    ],
    [
      'with more signatures than are looked at',
      { headers: standard(`${'v1,AAAA '.repeat(16)}${PUBLISHED}`) },
      'mismatch',
    ],
  ])('%s', (_what, delivery, expected) => {
    expect(verdict(STANDARD, { headers: standard(PUBLISHED), body: BODY, nowMs: SENT_MS, ...delivery })).toBe(
      expected,
    );
  });

  it('is taken under any of several secrets, so that one can be replaced', () => {
    const secrets = ['whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX', 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'];

    expect(
      verdict({ ...STANDARD, secrets }, { headers: standard(PUBLISHED), body: BODY, nowMs: SENT_MS }),
    ).toBe('genuine');
  });

  it('is taken by its asymmetric signature under a public key', () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
    const policy = { ...STANDARD, secrets: [`whpk_${raw.toString('base64')}`] };
    const signed = sign(null, Buffer.from(`msg_1.1614265330.${BODY}`), privateKey).toString('base64');
    const judge = (signature: string, body = BODY): SignatureVerdict =>
      verdict(policy, { headers: standard(signature, 'msg_1'), body, nowMs: SENT_MS });

    expect(judge(`v1a,${signed}`)).toBe('genuine');
    expect(judge(`v1,${signed}`)).toBe('mismatch');
    expect(judge('v1a,AAAA')).toBe('mismatch');
    expect(judge(`v1a,${signed}`, '{}')).toBe('mismatch');
  });
});

describe('a delivery of GitHub', () => {
  const policy: SignaturePolicy = {
    scheme: 'github',
    secrets: ["It's a Secret to Everybody"],
    toleranceMs: 1,
  };
  const published = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';

  it.each<readonly [string, readonly string[], SignatureVerdict]>([
    ['as published', ['X-Hub-Signature-256', published], 'genuine'],
    ['in capitals', ['X-Hub-Signature-256', `sha256=${published.slice(7).toUpperCase()}`], 'genuine'],
    ['unsigned', [], 'missing'],
    ['cut short', ['X-Hub-Signature-256', published.slice(0, -2)], 'mismatch'],
    ['empty', ['X-Hub-Signature-256', 'sha256='], 'mismatch'],
    ['signed by the older digest alone', ['X-Hub-Signature-256', 'sha1=757107ea'], 'malformed'],
    ['signed twice', ['X-Hub-Signature-256', published, 'x-hub-signature-256', published], 'malformed'],
  ])('%s', (_what, headers, expected) => {
    expect(verdict(policy, { headers, body: 'Hello, World!' })).toBe(expected);
  });
});

describe('an event of Stripe', () => {
  const secret = 'whsec_test_secret_of_an_endpoint';
  const policy: SignaturePolicy = { scheme: 'stripe', secrets: ['whsec_old', secret], toleranceMs: 300_000 };
  const body = '{"id":"evt_1","object":"event"}';
  const header = new Stripe('sk_test_x').webhooks.generateTestHeaderString({
    payload: body,
    secret,
    timestamp: 1_700_000_000,
  });
  const at = (given: string, nowMs = 1_700_000_000_000): SignatureVerdict =>
    verdict(policy, { headers: ['Stripe-Signature', given], body, nowMs });

  it('is taken as its own library signs it, within the tolerance', () => {
    expect(at(header)).toBe('genuine');
    expect(at(header, 1_700_000_300_001)).toBe('expired');
    expect(at(`${header},v1=00,v0=11`)).toBe('genuine');
  });

  it('is refused with another time, another scheme or none', () => {
    expect(at(header.replace('t=1700000000', 't=1700000001'))).toBe('mismatch');
    expect(at(header.replace('v1=', 'v0='))).toBe('mismatch');
    expect(at(`t=1,${header}`)).toBe('malformed');
    expect(at('v1=00')).toBe('malformed');
    expect(verdict(policy, { headers: [], body })).toBe('missing');
  });
});

describe('a request of Slack', () => {
  const policy: SignaturePolicy = {
    scheme: 'slack',
    secrets: ['8f742231b10e8888abcd99yyyzzz85a5'],
    toleranceMs: 300_000,
  };
  const body =
    'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c';
  const published = 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503';
  const headers = (signature: string, timestamp = '1531420618'): readonly string[] => [
    'X-Slack-Request-Timestamp',
    timestamp,
    'X-Slack-Signature',
    signature,
  ];

  it.each<readonly [string, readonly string[], SignatureVerdict]>([
    ['as published', headers(published), 'genuine'],
    ['of another version', headers(published.replace('v0', 'v1')), 'malformed'],
    ['from the past', headers(published, '1531410000'), 'expired'],
    ['with another time', headers(published, '1531420619'), 'mismatch'],
    ['without a time', headers(published).slice(2), 'missing'],
  ])('%s', (_what, rawHeaders, expected) => {
    expect(verdict(policy, { headers: rawHeaders, body, nowMs: 1_531_420_618_000 })).toBe(expected);
  });
});

describe('whatever a forger sends', () => {
  const policies: readonly SignaturePolicy[] = [
    STANDARD,
    { scheme: 'github', secrets: ['a secret of github'], toleranceMs: 1 },
    { scheme: 'stripe', secrets: ['whsec_one'], toleranceMs: 300_000 },
    { scheme: 'slack', secrets: ['a secret of slack'], toleranceMs: 300_000 },
    { scheme: 'twilio', secrets: ['a token of twilio'], origin: 'https://h.example' },
    { scheme: 'sns', certificates: [selfSigned().certificate], topics: ['arn:aws:sns:x:1:t'] },
  ];
  const names = [
    ...['webhook-id', 'webhook-timestamp', 'webhook-signature', 'x-hub-signature-256', 'stripe-signature'],
    ...['x-slack-request-timestamp', 'x-slack-signature', 'x-twilio-signature', 'content-type'],
  ];
  const value = fc.oneof(
    fc.constantFrom('1614265330', 'v1,', 'v1a,AA==', 'sha256=', 't=1614265330,v1=', 'v0=', PUBLISHED),
    fc.constantFrom('application/json', 'application/x-www-form-urlencoded'),
    fc.string({ maxLength: 80 }),
  );

  it('is never genuine and never an error', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(...names), value), { maxLength: 8 }),
        fc.oneof(fc.string({ maxLength: 60 }), fc.json()),
        (headers, body) => {
          for (const policy of policies) {
            const judged = verdict(policy, { headers: headers.flat(), body, nowMs: SENT_MS });
            expect(judged).not.toBe('genuine');
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
