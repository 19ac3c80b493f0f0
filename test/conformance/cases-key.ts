import { answer, type ConformanceCase, exchange, optimal, refused, required } from './model.ts';

/** Where the key is and what it may look like. */

const MADE = answer(201, 'made', ['X-From: backend']);
const executed = {
  status: 201,
  body: 'made',
  headers: { 'idempotency-status': 'executed', 'idempotent-replayed': null },
} as const;
const long = (chars: number): string => 'k'.repeat(chars);

export const KEY_CASES: readonly ConformanceCase[] = [
  required(
    'key-two-lines',
    'default',
    'two different Idempotency-Key lines are refused and nothing is forwarded',
    'RFC 9651 section 4.2; edge case 1',
    refused(
      {
        headers: [
          ['Idempotency-Key', 'a'],
          ['Idempotency-Key', 'b'],
        ],
        body: 'x',
      },
      { problem: 'key-invalid', hits: 0 },
    ),
  ),
  required(
    'key-two-equal-lines',
    'default',
    'two equal Idempotency-Key lines are refused too',
    'RFC 9651 section 4.2; edge case 1',
    refused(
      {
        headers: [
          ['Idempotency-Key', '"a"'],
          ['idempotency-key', '"a"'],
        ],
        body: 'x',
      },
      { problem: 'key-invalid', hits: 0 },
    ),
  ),
  required(
    'key-list-on-one-line',
    'default',
    'a list of quoted keys on one line is refused',
    'RFC 9651 section 4.2; edge case 2',
    refused({ key: '"a", "b"', body: 'x' }, { problem: 'key-invalid', hits: 0 }),
  ),
  required(
    'key-list-strict',
    'strict',
    'a list of quoted keys is refused in strict mode',
    'RFC 9651 section 4.2; edge case 2',
    refused({ key: '"a","b"', body: 'x' }, { problem: 'key-invalid', hits: 0 }),
  ),
  required(
    'key-strict-bare',
    'strict',
    'a bare key is refused in strict mode',
    'draft-ietf-httpapi-idempotency-key-header-07 section 2.1; edge case 3',
    refused({ key: 'abc', body: 'x' }, { problem: 'key-invalid', hits: 0 }),
  ),
  required(
    'key-strict-quoted',
    'strict',
    'a quoted key is taken in strict mode',
    'draft-ietf-httpapi-idempotency-key-header-07 section 2.1',
    exchange({ key: '"8e03978e-40d5-43e8-bc93-6894a57f9324"', body: 'x' }, [MADE], { ...executed, hits: 1 }),
    refused({ key: '"8e03978e-40d5-43e8-bc93-6894a57f9324"', body: 'x' }, { replayOf: 1, hits: 1 }),
  ),
  required(
    'key-lenient-same',
    'default',
    'in lenient mode a bare and a quoted key are one key',
    'edge case 3',
    exchange({ key: 'abc', body: 'x' }, [MADE], executed),
    refused({ key: '"abc"', body: 'x' }, { replayOf: 1, hits: 1 }),
  ),
  required(
    'key-escaped-quote',
    'default',
    'an escaped quote in a quoted key stands for the quote',
    'RFC 9651 section 4.2.5; edge case 4',
    exchange({ key: '"a\\"b"', body: 'x' }, [MADE], executed),
    refused({ key: 'a"b', body: 'x' }, { replayOf: 1, hits: 1 }),
  ),
  required(
    'key-escaped-backslash',
    'default',
    'an escaped backslash in a quoted key stands for the backslash',
    'RFC 9651 section 4.2.5; edge case 4',
    exchange({ key: '"a\\\\b"', body: 'x' }, [MADE], executed),
    refused({ key: 'a\\b', body: 'x' }, { replayOf: 1, hits: 1 }),
  ),
  required(
    'key-other-escape',
    'default',
    'any other escape in a quoted key is refused',
    'RFC 9651 section 4.2.5; edge case 4',
    refused({ key: '"a\\nb"', body: 'x' }, { problem: 'key-invalid', hits: 0 }),
  ),
  required(
    'key-unclosed',
    'default',
    'a quoted key without its closing quote is refused',
    'RFC 9651 section 4.2.5',
    refused({ key: '"abc', body: 'x' }, { problem: 'key-invalid', hits: 0 }),
  ),
  required(
    'key-empty-quoted',
    'default',
    'an empty quoted key is refused',
    'RFC 9651 section 3.3.3; edge case 5',
    refused({ key: '""', body: 'x' }, { problem: 'key-invalid', hits: 0 }),
  ),
  required(
    'key-empty-field',
    'default',
    'an empty Idempotency-Key field is refused, not taken for none',
    'edge case 5; fault 40',
    refused({ key: '', body: 'x' }, { problem: 'key-invalid', hits: 0 }),
  ),
  required(
    'key-255',
    'default',
    'a key of 255 characters is taken by default',
    'edge case 6',
    exchange({ key: long(255), body: 'x' }, [MADE], {
      ...executed,
      upstream: { headers: { 'idempotency-key': long(255) } },
    }),
  ),
  required(
    'key-256',
    'default',
    'a key of 256 characters is refused by default',
    'RFC 9110 section 5.4; edge case 6',
    refused({ key: long(256), body: 'x' }, { problem: 'key-invalid', hits: 0 }),
  ),
  required(
    'key-10k',
    'default',
    'a key of ten thousand characters is refused',
    'edge case 6; fault 40',
    refused({ key: long(10_000), body: 'x' }, { problem: 'key-invalid', hits: 0 }),
  ),
  required(
    'key-limit-per-route',
    'long',
    'a route can allow longer keys and refuse shorter ones',
    'edge case 6',
    exchange({ key: long(1000), body: 'x' }, [MADE], executed),
    refused({ key: long(7), body: 'x' }, { problem: 'key-invalid', hits: 1 }),
  ),
  required(
    'key-above-ascii',
    'default',
    'a byte above 0x7E in a key is refused',
    'RFC 9651 section 4.2.5; edge case 7',
    refused({ key: 'caf\xe9', body: 'x' }, { problem: 'key-invalid', hits: 0 }),
  ),
  required(
    'key-above-ascii-quoted',
    'strict',
    'a byte above 0x7E in a quoted key is refused',
    'RFC 9651 section 4.2.5; edge case 7',
    refused({ key: '"caf\xc3\xa9"', body: 'x' }, { problem: 'key-invalid', hits: 0 }),
  ),
  required(
    'key-inner-space',
    'default',
    'a space in a key is refused by default',
    'edge case 7',
    refused({ key: 'a b', body: 'x' }, { problem: 'key-invalid', hits: 0 }),
  ),
  optimal(
    'key-inner-space-allowed',
    'printable',
    'a route can allow spaces in a key',
    'RFC 9651 section 3.3.3',
    exchange({ key: '"a b"', body: 'x' }, [MADE], executed),
    refused({ key: '"a b"', body: 'x' }, { replayOf: 1, hits: 1 }),
  ),
  required(
    'key-outer-space',
    'default',
    'white space around the field value is not part of the key',
    'RFC 9110 section 5.5',
    exchange({ key: 'abc', body: 'x' }, [MADE], executed),
    refused({ key: '  abc \t', body: 'x' }, { replayOf: 1, hits: 1 }),
  ),
  required(
    'key-parameters',
    'default',
    'parameters of a quoted key do not count',
    'RFC 9651 section 3.3; edge case 8',
    exchange({ key: '"abc";p=1', body: 'x' }, [MADE], executed),
    refused({ key: 'abc', body: 'x' }, { replayOf: 1, hits: 1 }),
  ),
];
