import type { Profile } from './profile.ts';

export const paypal: Profile = {
  about: 'Clients that send PayPal-Request-Id.',
  source: 'developer.paypal.com/reference/guidelines/idempotency, paypal/api-standards patterns.md',
  values: {
    key: { sources: [{ header: 'PayPal-Request-Id' }], syntax: 'lenient', maxLength: 108 },
    inFlight: 'reject',
    retain: '72h',
    dialect: { errors: 'paypal' },
  },
  differs: [
    'PayPal answers a repeat with the state of now, and with 200 after a 201; here it is the first answer.',
    'The same id on another kind of call is a mismatch (422) here, where PayPal takes it for another request.',
    'PayPal keeps ids from 3 hours to 45 days, by API; 72 hours is that of orders.',
  ],
};
