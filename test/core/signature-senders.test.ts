import { createHash, createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type SignaturePolicy, type SignatureVerdict, signatureVerdict } from '../../src/core/signature.ts';
import { headOf } from '../support/request-head.ts';
import { selfSigned, snsMessage } from '../support/sns-message.ts';

/** Senders that sign more than a body. Vectors marked as published are those of their own documentation or libraries. */

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

describe('a request of Twilio', () => {
  const policy: SignaturePolicy = { scheme: 'twilio', secrets: ['12345'], origin: 'https://mycompany.com' };
  const target = '/myapp.php?foo=1&bar=2';
  const form = ['Content-Type', 'application/x-www-form-urlencoded; charset=utf-8'];
  const body =
    'Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE';
  const judge = (
    signature: string,
    sent: Partial<Delivery> = {},
    more: Partial<SignaturePolicy> = {},
  ): SignatureVerdict =>
    verdict({ ...policy, ...more } as SignaturePolicy, {
      target,
      body,
      ...sent,
      headers: ['X-Twilio-Signature', signature, ...(sent.headers ?? form)],
    });
  const own = (algorithm: string, text: string): string =>
    createHmac(algorithm, '12345').update(text).digest('base64');
  const params = 'CallSidCA1234567890ABCDECaller+14158675309Digits1234From+14158675309To+18005551212';

  it('is taken as published: form, repeated fields, JSON', () => {
    const json = '{"property": "value", "boolean": true}';
    const digest = createHash('sha256').update(json).digest('hex');

    expect(judge('RSOYDt4T1cUTdK1PDd93/VVr8B8=')).toBe('genuine');
    expect(
      judge('IK+Dwps556ElfBT0I3Rgjkr1wJU=', {
        body: 'Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234',
      }),
    ).toBe('genuine');
    expect(
      judge('a9nBmqA0ju/hNViExpshrM61xv4=', {
        target: `${target}&bodySHA256=${digest}`,
        body: json,
        headers: ['Content-Type', 'application/json'],
      }),
    ).toBe('genuine');
  });

  it('is taken with and without the port in its URL', () => {
    const signed = own('sha1', `https://mycompany.com:443${target}${params}`);
    const ported = own('sha1', `https://mycompany.com:8443${target}${params}`);

    expect(judge(signed)).toBe('genuine');
    expect(judge(ported)).toBe('mismatch');
    expect(judge(ported, {}, { origin: 'https://mycompany.com:8443' })).toBe('genuine');
    expect(judge('RSOYDt4T1cUTdK1PDd93/VVr8B8=', {}, { origin: 'https://mycompany.com:8443' })).toBe(
      'genuine',
    );
  });

  it('is taken under a shared key, by the digest that its settings name', () => {
    const signed = own('sha256', `https://mycompany.com${target}${params}`);
    const settings = ['X-Twilio-Webhooks-Signature-Settings', 'key=SK1,algorithm=HMAC_SHA256'];

    expect(judge(signed, { headers: [...form, ...settings] })).toBe('genuine');
    expect(judge(signed)).toBe('mismatch');
  });

  it('is refused where the body is not what was signed', () => {
    const signature = 'RSOYDt4T1cUTdK1PDd93/VVr8B8=';

    expect(judge(signature, { body: body.replace('1234', '1235') })).toBe('mismatch');
    expect(judge(signature, { target: '/myapp.php?foo=1' })).toBe('mismatch');
    expect(judge(signature, { body: 'a=%zz' })).toBe('malformed');
    expect(judge(own('sha1', `https://mycompany.com${target}`), { headers: [], body: '{}' })).toBe(
      'malformed',
    );
    expect(judge(own('sha1', `https://mycompany.com${target}`), { headers: [], body: '' })).toBe('genuine');
    expect(verdict(policy, { target, headers: form, body })).toBe('missing');
  });
});

describe('a message of Amazon SNS', () => {
  const { certificate, privateKey } = selfSigned();
  const topic = 'arn:aws:sns:eu-central-1:123456789012:orders';
  const policy: SignaturePolicy = { scheme: 'sns', certificates: [certificate], topics: [topic] };
  const judge = (message: Readonly<Record<string, string | undefined>>): SignatureVerdict =>
    verdict(policy, { headers: [], body: JSON.stringify(message) });

  it.each([
    ['a notification', { Type: 'Notification', Subject: 'Hi' }],
    ['a notification without a subject', { Type: 'Notification' }],
    [
      'a confirmation',
      { Type: 'SubscriptionConfirmation', SubscribeURL: 'https://sns.example/?a', Token: 'token' },
    ],
  ])('%s is taken in both versions of its signature', (_what, members) => {
    for (const version of ['1', '2'] as const) {
      const message = snsMessage(privateKey, version, { ...members, TopicArn: topic });

      expect(judge(message)).toBe('genuine');
      expect(judge({ ...message, MessageId: 'other' })).toBe('mismatch');
    }
  });

  it('is refused from another topic, under another key, and without what is signed', () => {
    const message = snsMessage(privateKey, '2', { Type: 'Notification', TopicArn: topic });
    const stranger = snsMessage(selfSigned().privateKey, '2', { Type: 'Notification', TopicArn: topic });
    const foreign = snsMessage(privateKey, '2', { Type: 'Notification', TopicArn: `${topic}-2` });

    expect(judge(stranger)).toBe('mismatch');
    expect(judge(foreign)).toBe('mismatch');
    expect(judge({ ...message, Signature: undefined })).toBe('missing');
    expect(judge({ ...message, SignatureVersion: '3' })).toBe('malformed');
    expect(judge({ ...message, Message: undefined })).toBe('malformed');
    expect(judge({ ...message, Type: 'Other' })).toBe('malformed');
    expect(verdict(policy, { headers: [], body: 'no JSON' })).toBe('malformed');
  });
});
