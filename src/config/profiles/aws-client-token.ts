import type { Profile } from './profile.ts';

export const awsClientToken: Profile = {
  about: 'Clients that send a client token as those of AWS do, and sign with Signature Version 4.',
  source: 'docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html',
  values: {
    key: {
      sources: [
        { json: '/ClientToken' },
        { json: '/clientToken' },
        { json: '/ClientRequestToken' },
        { json: '/clientRequestToken' },
        { query: 'ClientToken' },
        { form: 'ClientToken' },
      ],
      maxLength: 64,
    },
    // Date and signature differ from try to try.
    scope: { headers: ['Authorization'], sigv4: true },
    fingerprint: { query: 'parsed' },
    retain: '24h',
    dialect: { errors: 'aws', statuses: { 'key-reused': 400 } },
  },
  differs: [
    'The scope is the id of the access key, whose signature is not verified here: who knows that id and a token gets the answer. Tokens are random and secret, then, or the route has another `scope`.',
    'Errors are those of the JSON protocols, also where the request came by the query protocol, which has XML.',
    'AWS answers with the state of now in places; here it is the first answer. Signed queries in the address (presigned) are not compared as such.',
  ],
};
