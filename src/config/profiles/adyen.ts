import type { Profile } from './profile.ts';

export const adyen: Profile = {
  about: 'Clients that send idempotency-key as those of Adyen do, and read transient-error.',
  source: 'docs.adyen.com/development-resources/api-idempotency',
  values: {
    key: { sources: [{ header: 'Idempotency-Key' }], syntax: 'lenient', maxLength: 64 },
    inFlight: 'reject',
    retain: '7d',
    unknownRetain: '14d',
    dialect: { errors: 'adyen', echoKey: 'Idempotency-Key' },
  },
  differs: [
    'What other content under one key gets is not documented there; here it is 422.',
    '`transient-error: true` stands with every refusal that the same key may follow, not with 703 and 704 alone.',
    'Answers are shown to the caller that made them alone; there any user of the company account sees them.',
  ],
};
