import type { Profile } from './profile.ts';

export const azureRepeatability: Profile = {
  about: 'Clients that send Repeatability-Request-ID and Repeatability-First-Sent, as those of Azure do.',
  source: 'OASIS Repeatable Requests 1.0; Microsoft Azure REST API Guidelines, Repeatability of requests',
  values: {
    key: {
      sources: [{ header: 'Repeatability-Request-ID' }],
      syntax: 'lenient',
      characters: 'uuid',
      minLength: 36,
      maxLength: 36,
    },
    keyIdempotentMethods: true,
    fingerprint: { headers: ['Content-Type', 'Content-Encoding', 'Repeatability-First-Sent'] },
    inFlight: 'reject',
    retain: '24h',
    dialect: {
      errors: 'azure',
      statuses: { 'key-reused': 400 },
      repeatability: { window: '23h', ahead: '5m' },
    },
  },
  differs: [
    'Where an earlier request with the id may have been executed and nobody knows (409 `outcome-unknown`, in flight, store unavailable), `Repeatability-Result` is left out: neither `accepted` nor `rejected` would be true of it.',
    'An id that is no UUID is 400. The methods that the specification of repeatability leaves out are 501 unless `keyIdempotentMethods` keys them; GET and HEAD ignore the fields.',
    'An answer 5xx of the backend is replayed, not executed again; `status` can release what provably did nothing.',
    'The methods of cleaning up (`$RepeatableRequestWithRequestID`) and batches are not served.',
  ],
};
