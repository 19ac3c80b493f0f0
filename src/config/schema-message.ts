// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the syntax of variables in the file.
import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { MESSAGE_PRESETS } from '../core/message.ts';
import { MESSAGE_DEFAULTS as D } from './defaults.ts';
import { choice, duration, list, parsedText, section, text } from './field.ts';
import { upstreamOrigin } from './field-http.ts';

/** What kind of messages come, and how it is known that their sender has sent them. */

/** As the sender gives it out, so it has no common form; a few characters are a slip. */
function senderSecret() {
  const message = 'must be text of 8 to 1024 characters; put it in quotes';
  return parsedText<string>('secret', message, (value) =>
    value.length >= 8 && value.length <= 1024 ? { kind: 'ok', value } : { kind: 'fault', message },
  );
}

function certificate() {
  const message = 'must be a certificate in PEM, with its BEGIN and END lines';
  return parsedText<string>('PEM certificate', message, (value) => {
    try {
      const { type } = new X509Certificate(value).publicKey;
      return type === 'public' ? { kind: 'ok', value } : { kind: 'fault', message };
    } catch {
      return { kind: 'fault', message };
    }
  });
}

const details = section({
  preset: choice(MESSAGE_PRESETS).describe(
    'Whose messages they are. It sets where their id is (`key.sources`), one scope for all senders, what may differ between two deliveries (`fingerprint`), that an answer other than 2xx leaves the message to be delivered again (`status`) and `retain: 7d`; `onceward config print` shows all of it, and what the route says itself wins.',
  ),
  secrets: list(senderSecret(), 4, 'secrets')
    .prefault([...D.secrets])
    .describe(
      'What the sender signs with; any of them may have signed, so that one can be replaced. A delivery that none of them fits gets 400 `signature-invalid` before anything is looked up. `standard-webhooks`: `whsec_…`, or the public key `whpk_…`; `github` and `slack`: the secret; `stripe`: the `whsec_…` of the endpoint; `twilio`: the auth token or shared key. Take them from variables. Left empty, deliveries are not verified and whoever can reach the route can use up an id. Safe methods (GET, HEAD) are passed on unverified, as they have no record: a sender that can deliver by GET has to be told to use POST, and `match.methods` to take nothing else.',
    ),
  tolerance: duration('1s')
    .prefault(D.tolerance)
    .describe(
      'How far the time of a signature may be from the clock of this machine, in both directions; for `standard-webhooks`, `stripe` and `slack`, which sign it. It does not bound how late a retry may come: every delivery is signed anew.',
    ),
  url: upstreamOrigin()
    .optional()
    .describe(
      'Scheme and host as Twilio knows them, such as `https://hooks.example.com`: it signs the URL it was given, which this process cannot know.',
    ),
  certificates: list(certificate(), 4, 'certificates')
    .prefault([...D.certificates])
    .describe(
      'The certificates that Amazon SNS signs with in your region, in PEM, the next one beside the current one. What a message names as its certificate is never fetched. Left empty, deliveries are not verified.',
    ),
  topics: list(text('ARN', 512), 64, 'topics')
    .prefault([...D.topics])
    .describe(
      'The topics whose messages are taken. Needed beside `certificates`: any AWS account can have messages of its own topics signed with the same key.',
    ),
});

export const message = z
  .union([choice(['off', ...MESSAGE_PRESETS]), details], {
    error: `must be off, a kind of sender (${MESSAGE_PRESETS.join(', ')}) or { preset: github, secrets: ["\${SECRET}"] }`,
  })
  .meta({ 'x-type': '`off`, a preset or a section' })
  .describe(
    'Deliveries of webhooks and queues, recognised by the id their sender gives them: the duplicate gets the first answer, so that the sender stops. `message: github` is short for `message: { preset: github }`. Use it on the routes that a sender calls, and on no others: it puts all callers into one scope.',
  );

export type Message = z.output<typeof message>;
