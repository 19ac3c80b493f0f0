import type { Profile } from './profile.ts';

export const ietf: Profile = {
  about: 'Clients of the IETF draft of the Idempotency-Key header field.',
  source: 'draft-ietf-httpapi-idempotency-key-header-07',
  values: {
    key: {
      sources: [{ header: 'Idempotency-Key' }],
      syntax: 'strict',
      characters: 'printable-ascii',
      maxLength: 1024,
      required: true,
    },
  },
  differs: [
    'The draft allows an empty key; here it is 400, since every client that forgets its key would share one.',
  ],
};
