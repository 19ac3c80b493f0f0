import { spawnSync } from 'node:child_process';
import { createPrivateKey, type KeyObject, sign } from 'node:crypto';

/** Messages of Amazon SNS, signed as it signs them. */

export function selfSigned(): { readonly certificate: string; readonly privateKey: KeyObject } {
  const made = spawnSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=sns.test',
      '-keyout',
      '-',
      '-out',
      '-',
    ],
    { encoding: 'utf8' },
  );
  const pem = (what: string): string =>
    new RegExp(`-----BEGIN ${what}-----[\\s\\S]*?-----END ${what}-----`).exec(made.stdout)?.[0] ?? '';
  return { certificate: pem('CERTIFICATE'), privateKey: createPrivateKey(pem('PRIVATE KEY')) };
}

const SIGNED: Readonly<Record<string, readonly string[]>> = {
  Notification: ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'],
  SubscriptionConfirmation: [
    'Message',
    'MessageId',
    'SubscribeURL',
    'Timestamp',
    'Token',
    'TopicArn',
    'Type',
  ],
};

export function snsMessage(
  privateKey: KeyObject,
  version: '1' | '2',
  members: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const message: Readonly<Record<string, string>> = {
    MessageId: '165545c9-2a5c-472c-8df2-7ff2be2b3b1b',
    Message: 'two\nlines, and ü',
    Timestamp: '2026-11-26T01:00:00.000Z',
    SignatureVersion: version,
    ...members,
  };
  const text = (SIGNED[message.Type ?? ''] ?? [])
    .flatMap((name) => (message[name] === undefined ? [] : [`${name}\n${message[name]}\n`]))
    .join('');
  const signature = sign(version === '1' ? 'sha1' : 'sha256', Buffer.from(text), privateKey);
  return { ...message, Signature: signature.toString('base64') };
}
