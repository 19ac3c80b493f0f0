import { afterEach, describe, expect, it } from 'vitest';
import { MESSAGE_PRESETS, type MessagePreset } from '../../src/core/message.ts';
import { startCountingBackend } from '../support/counting-backend.ts';
import { startProxyWith } from '../support/proxy.ts';
import { type Answer, type SentRequest, sendRequest } from '../support/send-request.ts';

/** Of every kind of sender: one message delivered twice, different as two deliveries of it may be, and another one. */

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const FORM = 'application/x-www-form-urlencoded';
const JSON_TYPE = 'application/json';
const TEXT = 'text/plain; charset=UTF-8';

/** `attempt`: what makes it another delivery of the same message. */
const DELIVERIES: Readonly<Record<MessagePreset, (id: string, attempt: number) => SentRequest>> = {
  'standard-webhooks': (id, attempt) => ({
    headers: {
      'webhook-id': id,
      'webhook-timestamp': `${1000 + attempt}`,
      'webhook-signature': `v1,${attempt}`,
    },
    body: attempt === 1 ? '{"type":"a","n":1}' : '{ "n": 1, "type": "a" }',
  }),
  cloudevents: (id, attempt) => ({
    headers: { 'ce-id': id, 'ce-source': '/s', 'ce-time': `${attempt}`, traceparent: `${attempt}` },
    body: `{"attempt":${attempt}}`,
  }),
  sns: (id, attempt) => ({
    headers: { 'Content-Type': TEXT, 'x-amz-sns-message-id': id },
    body: JSON.stringify({ Type: 'Notification', TopicArn: 'arn:t', MessageId: id, Signature: `${attempt}` }),
  }),
  pubsub: (id, attempt) => ({
    headers: { 'Content-Type': JSON_TYPE, Authorization: `Bearer ${attempt}` },
    body: JSON.stringify({
      message: { messageId: id, message_id: id, data: 'YQ==' },
      subscription: 's',
      deliveryAttempt: attempt,
    }),
  }),
  github: (id) => ({ headers: { 'X-GitHub-Delivery': id, 'Content-Type': JSON_TYPE }, body: '{"zen":"x"}' }),
  stripe: (id, attempt) => ({
    headers: { 'Stripe-Signature': `t=${attempt}`, 'Content-Type': JSON_TYPE },
    body: JSON.stringify({ id, object: 'event', pending_webhooks: attempt }),
  }),
  twilio: (id) => ({
    headers: { 'I-Twilio-Idempotency-Token': id, 'Content-Type': FORM },
    body: 'CallSid=CA1&CallStatus=ringing',
  }),
  slack: (id, attempt) => ({
    headers: {
      'Content-Type': JSON_TYPE,
      'X-Slack-Request-Timestamp': `${attempt}`,
      ...(attempt === 1 ? {} : { 'X-Slack-Retry-Num': `${attempt}`, 'X-Slack-Retry-Reason': 'http_timeout' }),
    },
    body: JSON.stringify({ event_id: id, type: 'event_callback' }),
  }),
};

describe.each(MESSAGE_PRESETS)('a message of %s', (preset) => {
  it('is executed once however often it is delivered, and another message is another', async () => {
    const backend = await startCountingBackend();
    closers.push(() => backend.close());
    const proxy = await startProxyWith(`
listen: 127.0.0.1:0
observe: off
admin: off
upstream: { url: "${backend.origin}" }
store: "memory:"
routes: [{ name: hooks, message: ${preset} }]
`);
    closers.push(() => proxy.close());
    const deliver = (id: string, attempt: number, path = '/hook'): Promise<Answer> =>
      sendRequest(proxy.port, { path, ...DELIVERIES[preset](id, attempt) });

    const first = await deliver('m-1', 1);
    const again = await deliver('m-1', 2);
    const other = await deliver('m-2', 1);
    const elsewhere = await deliver('m-1', 1, '/other');

    expect([first, again, other, elsewhere].map(({ headers }) => headers['idempotency-status'])).toEqual([
      ...['executed', 'replayed', 'executed', 'executed'],
    ]);
    expect(again.body).toEqual(first.body);
    expect(backend.executionsOfAll()).toBe(3);
  });
});
