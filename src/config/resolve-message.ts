import type { MessagePolicy } from '../core/policy.ts';
import type { SignaturePolicy } from '../core/signature.ts';
import { unreachable } from '../core/unreachable.ts';
import type { Message } from './schema-message.ts';

type Details = Exclude<Message, string>;

export function resolveMessage(message: Message): MessagePolicy | null {
  if (typeof message !== 'string') return { preset: message.preset, signature: signatureOf(message) };
  return message === 'off' ? null : { preset: message, signature: null };
}

/** Null: nothing to verify with, or nothing that is signed. */
function signatureOf(message: Details): SignaturePolicy | null {
  const { preset, secrets, tolerance, url, certificates, topics } = message;
  switch (preset) {
    case 'standard-webhooks':
    case 'github':
    case 'stripe':
    case 'slack':
      return secrets.length === 0 ? null : { scheme: preset, secrets, toleranceMs: tolerance };
    case 'twilio':
      return secrets.length === 0 || url === undefined ? null : { scheme: preset, secrets, origin: url };
    case 'sns':
      return certificates.length === 0 ? null : { scheme: preset, certificates, topics };
    case 'cloudevents':
    case 'pubsub':
      return null;
    default:
      return unreachable(preset);
  }
}
