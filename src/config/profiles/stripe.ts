import type { Profile } from './profile.ts';

export const stripe: Profile = {
  about: 'Clients of an API made like that of Stripe, its own client libraries among them.',
  source: 'docs.stripe.com/api/idempotent_requests, docs.stripe.com/error-low-level, stripe-node',
  values: {
    key: { sources: [{ header: 'Idempotency-Key' }], syntax: 'lenient', maxLength: 255 },
    // The libraries give a key to DELETE too, where the API is v2.
    keyIdempotentMethods: true,
    scope: { headers: ['Authorization', 'Stripe-Account', 'Stripe-Context'] },
    inFlight: 'reject',
    retain: '24h',
    dialect: { errors: 'stripe', statuses: { 'key-reused': 400 }, echoKey: 'Idempotency-Key' },
  },
  differs: [
    'The body is compared byte for byte, not parameter by parameter: the libraries send a retry as it was.',
    'A refusal that Stripe has no code for carries the code of docs/problems.md as `error.code`; `outcome-unknown` is one that Stripe does not tell at all.',
    'API v2 re-drives what failed. Here an answer is replayed, failure or not, unless `status` releases it.',
  ],
};
