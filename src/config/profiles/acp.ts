import type { Profile } from './profile.ts';

export const acp: Profile = {
  about: 'Agents that check out by the Agentic Commerce Protocol.',
  source: 'agentic-commerce-protocol, rfcs/rfc.agentic_checkout.md and SEP 120 (mandatory idempotency)',
  values: {
    key: { sources: [{ header: 'Idempotency-Key' }], syntax: 'lenient', maxLength: 255, required: true },
    inFlight: 'reject',
    retain: '24h',
    dialect: { errors: 'acp', echoKey: 'Idempotency-Key' },
  },
  differs: [
    'Versions before SEP 120 have 409 for other parameters under one key, the later ones 422: set `dialect: { statuses: { key-reused: 409 } }` for the former.',
    'A key is bound to caller, method, path and body, not to the endpoint alone: the same key elsewhere is a mismatch.',
  ],
};
