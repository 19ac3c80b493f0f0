import { DEFAULTS as D } from './defaults.ts';
import { choice, list, matching, parsedText, section } from './field.ts';

/** Encryption of stored responses: its section and the kinds of values that only it has. */

/** 32 bytes, given in hexadecimal; what a variable holds is base64 or hexadecimal. */
function encryptionKey() {
  const message =
    'must be 32 bytes in base64 or hexadecimal, in quotes; make one with: openssl rand -base64 32';
  return parsedText<string>('key', message, (value) => {
    const bytes = keyBytes(value);
    if (bytes === null || bytes.length !== ENCRYPTION_KEY_BYTES) return { kind: 'fault', message };
    return new Set(bytes).size < ENCRYPTION_KEY_DISTINCT_MIN
      ? { kind: 'fault', message: 'is not random; make one with: openssl rand -base64 32' }
      : { kind: 'ok', value: bytes.toString('hex') };
  });
}

const ENCRYPTION_KEY_BYTES = 32;
/** 32 random bytes have about 30 different ones; fewer than this do not happen by chance. */
const ENCRYPTION_KEY_DISTINCT_MIN = 16;

function keyBytes(text: string): Buffer | null {
  if (/^[0-9A-Fa-f]{64}$/.test(text)) return Buffer.from(text, 'hex');
  return /^(?:[A-Za-z0-9+/]{43}=?|[A-Za-z0-9_-]{43}=?)$/.test(text) ? Buffer.from(text, 'base64') : null;
}

function keyId() {
  return matching(
    'id',
    /^[A-Za-z0-9._-]{1,32}$/,
    'must be 1 to 32 letters, digits, dots, dashes or underscores; put a number in quotes',
  );
}

export const encryption = section({
  keys: list(
    section({
      id: keyId().describe(
        'The name of the key, written beside everything it seals. Never give another key a name that was used before.',
      ),
      key: encryptionKey().describe(
        '32 random bytes in base64 or hexadecimal, such as `openssl rand -base64 32` makes. Take it from a variable, never write it into the file.',
      ),
    }),
    8,
    'keys',
  )
    .prefault([...D.encryption.keys])
    .describe(
      'The current key first; the others open what they once sealed, and what is read is sealed anew under the current one. Without any, responses are stored as they are. A response whose key is missing is never served and its request never executed again: repeats get 409 `response-unreadable`. With many replicas, give a new key to all of them before it stands first anywhere.',
    ),
  bind: choice(['none', 'client'])
    .prefault(D.encryption.bind)
    .describe(
      "`client`: a stored response opens only for a request that brings its key and scope again, so that a copy of the store opens nothing even for one who has the keys above, as far as the clients' keys cannot be guessed. What an operator or a probe stores is not bound until its client asks. `none`: the keys above suffice.",
    ),
  responses: choice(['sealed', 'sealed-only', 'plain'])
    .prefault(D.encryption.responses)
    .describe(
      'How new responses are stored, and whether plain ones are still served. `sealed`: plain ones, from before, are replayed and sealed then. `sealed-only`: a plain response is never served, its repeats get 409 `response-unreadable`, so that whoever can write to the store cannot plant one; not before every replica has sealed for the longest `retain`. `plain`: new ones are stored as they are, while sealed ones are still opened; the first step to turn encryption off.',
    ),
});
