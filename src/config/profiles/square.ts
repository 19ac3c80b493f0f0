import type { Profile } from './profile.ts';

export const square: Profile = {
  about: 'Clients that put the key into the body as idempotency_key, as those of Square do.',
  source: 'developer.squareup.com/docs/build-basics/common-api-patterns/idempotency, square-nodejs-sdk',
  values: {
    key: {
      sources: [{ json: '/idempotency_key' }],
      characters: 'printable-ascii',
      maxLength: 45,
    },
    fingerprint: { body: 'canonical-json' },
    inFlight: 'reject',
    retain: '24h',
    dialect: { errors: 'square', statuses: { 'key-reused': 400 } },
  },
  differs: [
    'Square publishes no time for which it keeps keys.',
    'Operations without a key are forwarded; set `key: { required: true }` on routes whose operations have one.',
    'Keys have ASCII characters only.',
  ],
};
