import type { Profile } from './profile.ts';

export const aip155: Profile = {
  about:
    'Clients of APIs made by the Google API Improvement Proposals, with a request_id in the body or the query.',
  source: 'google.aip.dev/155, google.aip.dev/193',
  values: {
    key: {
      // JSON has either name of a field (protobuf's JSON mapping); some methods have it in the query.
      sources: [
        { json: '/request_id' },
        { json: '/requestId' },
        { query: 'request_id' },
        { query: 'requestId' },
      ],
      characters: 'uuid4',
      minLength: 36,
      maxLength: 36,
    },
    keyIdempotentMethods: true,
    fingerprint: { query: 'parsed', body: 'canonical-json' },
    retain: '24h',
    dialect: { errors: 'google', statuses: { 'key-reused': 400 } },
  },
  differs: [
    'An empty request_id is 400 here, not the same as none.',
    'A repeat gets the first answer; the proposal allows the state of now as well.',
  ],
};
