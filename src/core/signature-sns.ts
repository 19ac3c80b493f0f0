import { type KeyObject, verify, X509Certificate } from 'node:crypto';
import { type JsonValue, readJson } from './json.ts';
import { valueAt } from './json-pointer.ts';
import type { SignatureVerdict } from './signature.ts';

/**
 * Amazon SNS signs the members of the message with an X.509 key. The certificate is the configured one: what
 * `SigningCertURL` names is never fetched, as whoever forges a message names it too.
 */
export function snsVerdict(
  certificates: readonly string[],
  topics: readonly string[],
  body: Uint8Array,
): SignatureVerdict {
  const read = readJson(body, 'search');
  if (read.kind === 'fault') return 'malformed';
  const text = (name: string): string | null => textAt(read.value, name);
  const signature = text('Signature');
  if (signature === null) return 'missing';
  const algorithm = algorithmOf(text('SignatureVersion'));
  const content = signedText(text('Type'), text);
  if (algorithm === null || content === null) return 'malformed';
  // Any account's topics are signed with this key.
  if (!topics.includes(text('TopicArn') ?? '')) return 'mismatch';
  const bytes = Buffer.from(content);
  const given = Buffer.from(signature, 'base64');
  const isGenuine = certificates.some((pem) => verify(algorithm, bytes, keyOf(pem), given));
  return isGenuine ? 'genuine' : 'mismatch';
}

function textAt(document: JsonValue, name: string): string | null {
  const found = valueAt(document, [name]);
  return found.kind === 'value' && found.value.kind === 'string' ? found.value.text : null;
}

function algorithmOf(version: string | null): 'sha1' | 'sha256' | null {
  return version === '1' ? 'sha1' : version === '2' ? 'sha256' : null;
}

const NOTIFICATION = ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'];
const CONFIRMATION = ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'];

/** Name and value, a line each; only the subject may be missing. */
function signedText(type: string | null, text: (name: string) => string | null): string | null {
  const names =
    type === 'Notification'
      ? NOTIFICATION
      : type === 'SubscriptionConfirmation' || type === 'UnsubscribeConfirmation'
        ? CONFIRMATION
        : null;
  if (names === null) return null;
  let signed = '';
  for (const name of names) {
    const value = text(name);
    if (value === null) {
      if (name === 'Subject') continue;
      return null;
    }
    signed += `${name}\n${value}\n`;
  }
  return signed;
}

const KEYS = new Map<string, KeyObject>();

/** Worked out once for each certificate of the configuration, which has a handful. */
function keyOf(pem: string): KeyObject {
  const known = KEYS.get(pem);
  if (known !== undefined) return known;
  const key = new X509Certificate(pem).publicKey;
  KEYS.set(pem, key);
  return key;
}
