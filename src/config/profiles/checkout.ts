import type { Profile } from './profile.ts';

export const checkout: Profile = {
  about: 'Clients that send Cko-Idempotency-Key, as those of Checkout.com do.',
  source: 'checkout.com/docs/payments/manage-payments/retry-a-payment',
  values: {
    key: { sources: [{ header: 'Cko-Idempotency-Key' }], syntax: 'lenient', maxLength: 255 },
    inFlight: 'reject',
    retain: '24h',
    // What was refused may be sent again; 408 alone tells nothing of that.
    status: { '4xx': 'release', '408': 'park' },
    dialect: { errors: 'checkout' },
  },
  differs: [
    'There a 5xx is tried again as well. Here it is replayed, since a backend may have acted before it failed; `status: { 500: release }` is for one that provably has not.',
    'What other content under one key gets is not documented there; here it is 422.',
  ],
};
