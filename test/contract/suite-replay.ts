import { describe, expect, test } from 'vitest';
import type { StoredResponse } from '../../src/core/record.ts';
import { FULL, granted, newRecordKey, requestOf, responseOf, type StoreHarness } from './harness.ts';

const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, i) => i));

const RESPONSES: readonly (readonly [string, StoredResponse])[] = [
  ['every byte in its body', { ...FULL, body: EVERY_BYTE }],
  ['an empty body', { ...FULL, status: 204, body: Buffer.alloc(0) }],
  ['no header at all', { ...FULL, rawHeaders: [] }],
  ['a body of one mebibyte', { ...FULL, body: Buffer.alloc(1024 * 1024, EVERY_BYTE) }],
  [
    'repeated headers in their order and case',
    { ...FULL, rawHeaders: ['Set-Cookie', 'a=1', 'set-COOKIE', 'b=2', 'X-A', 'x', 'Set-Cookie', 'a=1'] },
  ],
  [
    'empty and padded header values',
    { ...FULL, rawHeaders: ['X-Empty', '', 'X-Padded', '  two  ', 'X-Colon', ': a: b'] },
  ],
  ['latin1 bytes in a header value', { ...FULL, rawHeaders: ['X-Name', 'Jos\u00e9 \u00ff'] }],
  ['nothing to be read in it', { kind: 'sealed', bytes: EVERY_BYTE }],
  ['its body left out', { kind: 'unstored', status: 200, receivedAtMs: 1_795_000_000_456 }],
];

const UNSAFE_HEADERS: readonly (readonly [string, readonly string[]])[] = [
  ['a line feed in a value', ['X-A', 'a\nSet-Cookie: b']],
  ['a carriage return in a value', ['X-A', 'a\rb']],
  ['a NUL in a value', ['X-A', 'a\0b']],
  ['a line break in a name', ['X-A\r\nX-B', 'a']],
  ['an empty name', ['', 'a']],
];

export function replayFidelity(harness: () => StoreHarness): void {
  describe('replay', () => {
    test.each(RESPONSES)('a response with %s comes back as it went in', async (_name, response) => {
      const { store, unitMs, second } = harness();
      const other = await second();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      expect(await store.complete(claim, response, 20 * unitMs)).toBe('ok');

      expect(responseOf(await other.claim(key, requestOf(unitMs)))).toEqual(response);
    });

    test.each(UNSAFE_HEADERS)(
      'a response with %s is refused and the claim stays open',
      async (_name, rawHeaders) => {
        const { store, unitMs } = harness();
        const key = newRecordKey();
        const { claim } = await granted(store, key, requestOf(unitMs, { lease: 30 }));

        await expect(store.complete(claim, { ...FULL, rawHeaders }, 20 * unitMs)).rejects.toThrow();

        expect((await store.inspect(key))?.state).toBe('dispatched');
      },
    );

    test('a completed record shows its response to inspect', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await store.complete(claim, FULL, 20 * unitMs);

      const view = await store.inspect(key);

      expect(view).toMatchObject({
        state: 'completed',
        token: claim.token,
        fingerprint: 'fingerprint-1',
        policyId: 'policy-1',
      });
      const response = view?.response;
      expect(response?.kind === 'full' ? Buffer.from(response.body).toString() : null).toBe('{"id":1}');
      expect(view?.expiresInMs).toBeGreaterThan(10 * unitMs);
      expect(view?.expiresInMs).toBeLessThanOrEqual(20 * unitMs);
    });

    test('a response is read back by every one of a hundred repeats', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await store.complete(claim, FULL, 20 * unitMs);

      const repeats = await Promise.all(
        Array.from({ length: 100 }, () => store.claim(key, requestOf(unitMs))),
      );

      expect(repeats.map(responseOf)).toEqual(repeats.map(() => FULL));
    });
  });
}
