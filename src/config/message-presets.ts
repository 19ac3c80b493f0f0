import { MESSAGE_PRESETS, type MessagePreset } from '../core/message.ts';
import { type ConfigData, type ConfigNode, nodeOf } from './tree.ts';

/**
 * What `message: <preset>` sets in a policy, as it would be written in the file: under what the policy says itself,
 * over what it inherits.
 */

type Settings = { readonly [name: string]: ConfigData };

/** A sender takes any answer but 2xx for "not processed" and sends again; senders go on for days. */
const OF_EVERY_MESSAGE: Settings = {
  keyIdempotentMethods: true,
  scope: { headers: [], anonymous: 'allow' },
  status: { '4xx': 'release', '5xx': 'release', '408': 'park', '502': 'park', '504': 'park' },
  retain: '7d',
};

/** The id says it all: the rest may be put together anew for every delivery. */
const ID_ALONE: ConfigData = { body: 'none', headers: [] };
const SAME_JSON: ConfigData = { body: 'canonical-json' };

type Own = { readonly required: boolean; readonly fingerprint: ConfigData; readonly more?: Settings };

const PRESETS: Readonly<Record<MessagePreset, Own>> = {
  'standard-webhooks': { required: true, fingerprint: SAME_JSON },
  cloudevents: { required: true, fingerprint: ID_ALONE },
  sns: { required: true, fingerprint: ID_ALONE },
  // Beside the message stands how often it was delivered.
  pubsub: { required: true, fingerprint: { body: { select: ['/message'] }, headers: [] } },
  // Payloads go up to 25 MB.
  github: { required: true, fingerprint: SAME_JSON, more: { limits: { request: '25MiB' } } },
  stripe: { required: true, fingerprint: ID_ALONE },
  // Some of its requests have no id, and it does not repeat those.
  twilio: { required: false, fingerprint: ID_ALONE },
  slack: { required: false, fingerprint: ID_ALONE },
};

/** Null: no preset, or none that is known; the schema says so. */
export function messagePreset(named: ConfigNode | null): ConfigNode | null {
  const preset = MESSAGE_PRESETS.find((name) => named?.kind === 'scalar' && named.value === name);
  if (preset === undefined) return null;
  const { required, fingerprint, more = {} } = PRESETS[preset];
  return nodeOf(
    { ...OF_EVERY_MESSAGE, key: { sources: [{ message: preset }], required }, fingerprint, ...more },
    { kind: 'preset', name: `message: ${preset}`, at: null },
  );
}
