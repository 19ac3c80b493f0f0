import { PUBLIC_PREFIX, webhookKey } from '../core/signature.ts';
import { type Finding, fault, warning } from './check-top.ts';
import type { Policy } from './schema-policy.ts';
import type { ConfigPath } from './tree.ts';

/** What of `message` goes together, and with the rest of its policy. `at`: a path within the policy. */

type At = (...path: ConfigPath) => ConfigPath;
type Details = Exclude<Policy['message'], string>;

export function checkMessage(policy: Policy, at: At): readonly Finding[] {
  const { message, key } = policy;
  const found: Finding[] = [];
  const sources = key.sources.flatMap(({ message: preset }) => (preset === undefined ? [] : [preset]));
  if (sources.length > 0 && key.sources.length > 1) {
    found.push(
      fault(
        'the id of a message stands alone; keep it, or the other sources',
        at('key', 'sources'),
        at('message'),
      ),
    );
  }
  if (message === 'off' || typeof message === 'string') return found;
  if (sources.some((preset) => preset !== message.preset)) {
    found.push(
      fault(
        `key.sources looks for the id of another kind of message than ${message.preset}`,
        at('key', 'sources'),
        at('message', 'preset'),
      ),
    );
  }
  return [...found, ...checkSigning(message, at), ...checkSecrets(message, at)];
}

const WITH_SECRETS: readonly Details['preset'][] = [
  'standard-webhooks',
  'github',
  'stripe',
  'slack',
  'twilio',
];

function checkSigning(message: Details, at: At): readonly Finding[] {
  const { preset, secrets, url, certificates, topics } = message;
  const found: Finding[] = [];
  const only = (field: keyof Details, of: string): void => {
    found.push(fault(`has no effect with ${preset}; it is for ${of}`, at('message', field)));
  };
  if (secrets.length > 0 && !WITH_SECRETS.includes(preset)) only('secrets', WITH_SECRETS.join(', '));
  if (url !== undefined && preset !== 'twilio') only('url', 'twilio');
  if (certificates.length > 0 && preset !== 'sns') only('certificates', 'sns');
  if (topics.length > 0 && preset !== 'sns') only('topics', 'sns');
  if (preset === 'twilio' && secrets.length > 0 && url === undefined)
    found.push(fault('Twilio signs the URL; say with url how it calls this route', at('message')));
  if (preset === 'sns' && certificates.length > 0 && topics.length === 0)
    found.push(
      fault(
        'any AWS account can have messages signed with these certificates; say with topics which are taken',
        at('message'),
      ),
    );
  if (preset === 'sns' && certificates.length === 0 && topics.length > 0)
    found.push(fault('without certificates nobody knows whose topic it is', at('message', 'topics')));
  const unsigned =
    (WITH_SECRETS.includes(preset) && secrets.length === 0) ||
    (preset === 'sns' && certificates.length === 0);
  if (unsigned)
    found.push(
      warning(
        `its deliveries are not verified: whoever can reach the route can use up an id; give ${preset === 'sns' ? 'certificates and topics' : 'secrets'}`,
        at('message'),
      ),
    );
  return found;
}

const KEY_BYTES_MIN = 16;
const PUBLIC_KEY_BYTES = 32;

function checkSecrets({ preset, secrets }: Details, at: At): readonly Finding[] {
  if (preset !== 'standard-webhooks') return [];
  return secrets.flatMap((secret, index) => {
    const fits = secret.startsWith(PUBLIC_PREFIX)
      ? Buffer.from(secret.slice(PUBLIC_PREFIX.length), 'base64').byteLength === PUBLIC_KEY_BYTES
      : /^(?:whsec_)?[A-Za-z0-9+/_-]+={0,2}$/.test(secret) && webhookKey(secret).byteLength >= KEY_BYTES_MIN;
    return fits
      ? []
      : [
          fault(
            'is no secret of Standard Webhooks: whsec_ and Base64, or whpk_ and a public key',
            at('message', 'secrets', index),
          ),
        ];
  });
}
