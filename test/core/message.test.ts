import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findBodyKey } from '../../src/core/body-key.ts';
import { MESSAGE_PRESETS, type MessagePreset, messageFields, messagePlaces } from '../../src/core/message.ts';
import { headOf, keyPolicy, keySummary } from '../support/request-head.ts';

function idOf(preset: MessagePreset, rawHeaders: readonly string[], body = '', target = '/hook'): string {
  const policy = keyPolicy({ sources: [{ kind: 'message', preset }] });
  return keySummary(findBodyKey(policy, headOf({ target, rawHeaders }), Buffer.from(body)));
}

const JSON_TYPE = ['Content-Type', 'application/json; charset=utf-8'];
const FORM_TYPE = ['Content-Type', 'application/x-www-form-urlencoded'];
const STRUCTURED = ['Content-Type', 'application/cloudevents+json; charset=UTF-8'];
const BATCHED = ['Content-Type', 'application/cloudevents-batch+json'];
const TEXT = ['Content-Type', 'text/plain; charset=UTF-8'];
const ARN = 'arn:aws:sns:eu-central-1:123456789012:orders';
const SNS = JSON.stringify({ Type: 'Notification', TopicArn: ARN, MessageId: 'm-1' });

describe('the id of a message', () => {
  it.each<readonly [string, MessagePreset, readonly string[], string, string]>([
    ['a field', 'standard-webhooks', ['Webhook-Id', 'msg_1'], '{}', '=/hook msg_1'],
    ['a field that is repeated', 'standard-webhooks', ['webhook-id', 'a', 'webhook-id', 'a'], '', 'invalid'],
    ['an empty field', 'standard-webhooks', ['webhook-id', ''], '', 'invalid'],
    ['no field', 'standard-webhooks', [], '{"id":"a"}', 'absent'],
    ['a delivery of GitHub', 'github', ['X-GitHub-Delivery', '72d3162e'], '{}', '=/hook 72d3162e'],
    ['an event of Stripe', 'stripe', JSON_TYPE, '{"id":"evt_1"}', '=/hook evt_1'],
    ['an event whose id is a number', 'stripe', JSON_TYPE, '{"id":1}', 'invalid'],
    ['an event with two ids', 'stripe', JSON_TYPE, '{"id":"a","id":"b"}', 'invalid'],
    ['an event that is no JSON', 'stripe', JSON_TYPE, '{"id":"a"', 'invalid'],
    ['an event with half a character', 'stripe', JSON_TYPE, '{"id":"\\ud800"}', 'invalid'],
    ['an id that is too long', 'stripe', JSON_TYPE, `{"id":"${'x'.repeat(1025)}"}`, 'invalid'],
    ['an id that looks like another place', 'stripe', JSON_TYPE, '{"id":"#1 x"}', '=/hook #0 #1 x'],
    ['an event of Slack', 'slack', JSON_TYPE, '{"event_id":"Ev1"}', '=/hook Ev1'],
    ['a handshake of Slack', 'slack', JSON_TYPE, '{"type":"url_verification"}', 'absent'],
    ['a command of Slack', 'slack', FORM_TYPE, 'command=%2Fdo', 'absent'],
    ['a message of SNS, which says it is text', 'sns', TEXT, SNS, `=/hook ${ARN.length}:${ARN}3:m-1`],
    [
      'a raw message of SNS',
      'sns',
      [...TEXT, 'x-amz-sns-topic-arn', ARN, 'x-amz-sns-message-id', 'm-1'],
      'anything',
      `=/hook #1 ${ARN.length}:${ARN}3:m-1`,
    ],
    [
      'a push',
      'pubsub',
      JSON_TYPE,
      '{"subscription":"s","deliveryAttempt":2,"message":{"messageId":"9","message_id":"9"}}',
      '=/hook 1:s1:9',
    ],
    [
      'a push of old',
      'pubsub',
      JSON_TYPE,
      '{"subscription":"s","message":{"message_id":"9"}}',
      '=/hook #1 1:s1:9',
    ],
    [
      'an unwrapped push',
      'pubsub',
      ['x-goog-pubsub-subscription-name', 's', 'x-goog-pubsub-message-id', '9'],
      'data',
      '=/hook #2 1:s1:9',
    ],
    [
      'a request of Twilio with its token',
      'twilio',
      [...FORM_TYPE, 'I-Twilio-Idempotency-Token', 'tok'],
      'MessageSid=SM1&MessageStatus=sent',
      '=/hook tok',
    ],
    ['a status of Twilio', 'twilio', FORM_TYPE, 'MessageStatus=sent&MessageSid=SM1', '=/hook #1 3:SM14:sent'],
    ['a call of Twilio', 'twilio', FORM_TYPE, 'CallSid=CA1', 'absent'],
    ['a repeated field of a form', 'twilio', FORM_TYPE, 'MessageSid=a&MessageSid=b', 'invalid'],
    ['a form that does not decode', 'twilio', FORM_TYPE, 'MessageSid=%ff', 'invalid'],
  ])('%s', (_what, preset, headers, body, expected) => {
    expect(idOf(preset, headers, body)).toBe(expected);
  });

  it('belongs to the target: another endpoint has operations of its own', () => {
    const at = (target: string): string => idOf('stripe', JSON_TYPE, '{"id":"evt_1"}', target);

    expect(new Set([at('/a'), at('/b'), at('/a?tenant=1'), at('/a?tenant=2')]).size).toBe(4);
  });

  it.each(MESSAGE_PRESETS)('of %s is looked for in places that can be told', (preset) => {
    expect(messagePlaces(preset)).toMatch(/the (?:field|body at|form field) /);
    expect(messageFields(preset).every((name) => name === name.toLowerCase())).toBe(true);
  });
});

describe('a cloud event', () => {
  it('has one id in binary and structured mode', () => {
    const binary = idOf(
      'cloudevents',
      [...JSON_TYPE, 'ce-source', '/s/%C3%BC', 'ce-id', 'A 1'],
      '{"id":"other"}',
    );
    const structured = idOf('cloudevents', STRUCTURED, '{"source":"/s/ü","id":"A 1"}');

    expect(binary).toBe('=/hook #2 4:/s/ü3:A 1'.replace('4:', `${'/s/ü'.length}:`));
    expect(structured).toBe(binary.replace('#2', '#1'));
  });

  it('has another id under another source', () => {
    const of = (source: string, id: string): string =>
      idOf('cloudevents', STRUCTURED, JSON.stringify({ source, id }));

    expect(of('a', '1')).not.toBe(of('b', '1'));
    expect(of('a1', '2')).not.toBe(of('a', '12'));
  });

  it('without an id, or in a form that is not read, has none', () => {
    expect(idOf('cloudevents', STRUCTURED, '{"source":"a"}')).toBe('absent');
    expect(idOf('cloudevents', ['ce-id', '1'], '{}')).toBe('absent');
    expect(idOf('cloudevents', ['Content-Type', 'application/cloudevents+xml'], '<event/>')).toBe('absent');
  });

  it('in a batch is known by all ids in their order', () => {
    const batch = (...ids: readonly string[]): string =>
      idOf(
        'cloudevents',
        BATCHED,
        JSON.stringify(ids.map((id) => ({ source: 's', id, time: Math.random() }))),
      );

    expect(batch('1', '2')).toBe(batch('1', '2'));
    expect(new Set([batch('1', '2'), batch('2', '1'), batch('1'), batch('12'), batch()]).size).toBe(5);
    expect(idOf('cloudevents', BATCHED, '[{"source":"s"}]')).toBe('invalid');
    expect(idOf('cloudevents', BATCHED, '{"source":"s","id":"1"}')).toBe('invalid');
  });
});

describe('two messages', () => {
  const text = fc.string({ minLength: 1, maxLength: 20, unit: 'binary' }).filter((one) => one.isWellFormed());

  it('have one id only when source and id are the same', () => {
    fc.assert(
      fc.property(fc.tuple(text, text), fc.tuple(text, text), ([source, id], [source2, id2]) => {
        const one = idOf('cloudevents', STRUCTURED, JSON.stringify({ source, id }));
        const other = idOf('cloudevents', STRUCTURED, JSON.stringify({ source: source2, id: id2 }));

        expect(one === other).toBe(source === source2 && id === id2);
      }),
    );
  });

  it('of one preset never share an id over two places', () => {
    fc.assert(
      fc.property(text, text, text, (token, sid, status) => {
        const form = new URLSearchParams({ MessageSid: sid, MessageStatus: status }).toString();
        const byToken = idOf('twilio', ['i-twilio-idempotency-token', token]);
        const byForm = idOf('twilio', FORM_TYPE, form);

        expect(byToken).not.toBe(byForm);
      }),
    );
  });
});
