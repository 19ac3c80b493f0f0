import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PlainResponse, StoredResponse } from '../../src/core/record.ts';
import { heldForm, readResponse, type Sealing, sealResponse, storedForm } from '../../src/engine/sealing.ts';
import type { RequestContext } from '../../src/engine/types.ts';
import { createByteBudget } from '../../src/http/byte-budget.ts';
import { encodeResponse } from '../../src/store/codec.ts';
import { seal, sealKey } from '../../src/store/seal.ts';
import { contextWith, type EngineParts } from './context.ts';

const K1 = sealKey('k1', Buffer.alloc(32, 1));
const K2 = sealKey('k2', Buffer.alloc(32, 2));
const RECORD = 'record key';
const FULL: PlainResponse = {
  kind: 'full',
  status: 201,
  rawHeaders: ['Content-Type', 'text/plain', 'X-A', '1', 'x-a', '2'],
  body: Buffer.from('charged'),
  receivedAtMs: 1_795_000_000_123,
};
const UNSTORED: PlainResponse = { kind: 'unstored', status: 201, receivedAtMs: 5 };

type Told = { readonly reasons: string[]; readonly context: RequestContext };

function contextOf(
  sealing: Sealing | null,
  over: Partial<RequestContext> = {},
  engine: EngineParts = {},
): Told {
  const reasons: string[] = [];
  const context = contextWith({
    metrics: { responseUnreadable: (reason: string) => reasons.push(reason) },
    log: { responseUnreadable: () => undefined },
    ...engine,
  });
  return { reasons, context: { ...context, snapshot: { ...context.snapshot, sealing }, ...over } };
}

const sealed = (...keys: Sealing['keys']): Sealing => ({ keys, bind: 'record', responses: 'sealed' });
const bound = (...keys: Sealing['keys']): Sealing => ({ keys, bind: 'client', responses: 'sealed' });

describe('a response bound to its client', () => {
  const stored = storedForm(contextOf(bound(K1)).context, RECORD, FULL);

  it('opens for a request with the same keyspace, scope and key', () => {
    const { context } = contextOf(bound(K1));

    expect(readResponse(context, RECORD, stored)).toEqual({ opened: FULL, form: 'current' });
  });

  it.each([
    ['key', { key: 'k2' }],
    ['scope', { scope: Buffer.from('another') }],
    ['key at all', { key: null }],
    ['scope at all', { scope: null }],
  ])('opens with the master key and the record, and another %s, for nobody', (_what, over) => {
    const { context, reasons } = contextOf(bound(K1), over);

    expect(readResponse(context, RECORD, stored).opened).toEqual({ kind: 'unreadable' });
    expect(reasons).toHaveLength(1);
  });

  it('that was resolved without its client opens, and is to be bound', () => {
    const resolved = sealResponse(bound(K1), RECORD, null, FULL);

    expect(readResponse(contextOf(bound(K1)).context, RECORD, resolved)).toEqual({
      opened: FULL,
      form: 'older',
    });
  });
});

describe('the sealed copy that a settlement holds', () => {
  function heldWith(sealing: Sealing | null, budgetBytes: number) {
    const budget = createByteBudget(budgetBytes);
    const { context } = contextOf(sealing, {}, { budget });
    return { budget, held: heldForm(context, RECORD, FULL) };
  }

  it('is counted once for all tries, and given back once', () => {
    const { budget, held } = heldWith(sealed(K1), 10_000);

    const forms = [held.form(), held.form(), held.form()];

    const [first] = forms;
    expect(first?.kind).toBe('sealed');
    expect(new Set(forms).size).toBe(1);
    expect(budget.usedBytes()).toBe(first?.kind === 'sealed' ? first.bytes.byteLength : -1);
    held.drop();
    held.drop();
    expect(budget.usedBytes()).toBe(0);
  });

  it('is sealed anew for each try where there is no room to hold it, and never left plain', () => {
    const { budget, held } = heldWith(sealed(K1), 10);

    const [first, second] = [held.form(), held.form()];

    expect([first.kind, second.kind]).toEqual(['sealed', 'sealed']);
    expect(second).not.toBe(first);
    expect(readResponse(contextOf(sealed(K1)).context, RECORD, second).opened).toEqual(FULL);
    expect(budget.usedBytes()).toBe(0);
    held.drop();
    expect(budget.usedBytes()).toBe(0);
  });

  it('is held from the try on that finds room', () => {
    const { budget, held } = heldWith(sealed(K1), 10_000);
    budget.take(10_000);
    const first = held.form();
    budget.give(10_000);

    const second = held.form();

    expect(second).not.toBe(first);
    expect(held.form()).toBe(second);
    held.drop();
    expect(budget.usedBytes()).toBe(0);
  });

  it('is none without encryption: the captured body is counted already', () => {
    const { budget, held } = heldWith(null, 10);

    expect(held.form()).toBe(FULL);
    expect(budget.usedBytes()).toBe(0);
  });
});

describe('what is stored', () => {
  it.each<[string, Sealing | null, PlainResponse, StoredResponse['kind']]>([
    ['without keys as it is', null, FULL, 'full'],
    ['sealed under the current key', sealed(K1), FULL, 'sealed'],
    ['plain where only reading is left', { ...sealed(K1), responses: 'plain' }, FULL, 'full'],
    ['with nothing to hide as it is', sealed(K1), UNSTORED, 'unstored'],
  ])('is stored %s', (_how, sealing, response, kind) => {
    expect(storedForm(contextOf(sealing).context, RECORD, response).kind).toBe(kind);
  });

  it.each<[string, Sealing | null, Sealing | null, 'current' | 'older']>([
    ['under the current key', sealed(K2), sealed(K2, K1), 'current'],
    ['under an older key', sealed(K1), sealed(K2, K1), 'older'],
    ['plain, with encryption', null, sealed(K2), 'older'],
    ['plain, without', null, null, 'current'],
    ['sealed, while encryption is ending', sealed(K1), { ...sealed(K2, K1), responses: 'plain' }, 'current'],
    ['bound, and should not be', bound(K1), sealed(K1), 'older'],
    ['unbound, and should be', sealed(K1), bound(K1), 'older'],
  ])('and read %s is written again: %s', (_how, then, now, form) => {
    const stored = storedForm(contextOf(then).context, RECORD, FULL);

    expect(readResponse(contextOf(now).context, RECORD, stored)).toEqual({ opened: FULL, form });
  });

  it.each<[string, Sealing | null]>([
    ['never sealed', null],
    ['left plain by a replica that is turning encryption off', { ...sealed(K1), responses: 'plain' }],
  ])('and %s is not served where only sealed ones are, and counts as an incident', (_how, then) => {
    const stored = storedForm(contextOf(then).context, RECORD, FULL);
    const { context, reasons } = contextOf({ ...sealed(K1), responses: 'sealed-only' });

    expect(readResponse(context, RECORD, stored)).toEqual({
      opened: { kind: 'unreadable' },
      form: 'current',
    });
    expect(reasons).toEqual(['not-sealed']);
  });

  it('where only sealed ones are served is sealed, opens, and moves under a newer key', () => {
    const only = (...keys: Sealing['keys']): Sealing => ({ ...sealed(...keys), responses: 'sealed-only' });
    const stored = storedForm(contextOf(only(K1)).context, RECORD, FULL);

    expect(stored.kind).toBe('sealed');
    expect(readResponse(contextOf(only(K1)).context, RECORD, stored)).toEqual({
      opened: FULL,
      form: 'current',
    });
    expect(readResponse(contextOf(only(K2, K1)).context, RECORD, stored)).toEqual({
      opened: FULL,
      form: 'older',
    });
    expect(readResponse(contextOf(only(K1)).context, RECORD, UNSTORED).opened).toEqual(UNSTORED);
  });

  it('without a body is never written again', () => {
    expect(readResponse(contextOf(sealed(K1)).context, RECORD, UNSTORED)).toEqual({
      opened: UNSTORED,
      form: 'current',
    });
  });

  it.each([
    ['in a form of a later version', Buffer.from([9, 1, 0, 0])],
    ['that is sealed once more', encodeResponse({ kind: 'sealed', bytes: Buffer.from('x') })],
    ['that is empty', Buffer.alloc(0)],
  ])('and opens to something %s is unreadable, and nothing throws', (_what, inside) => {
    const place = { purpose: 'response', recordKey: RECORD, client: null };
    const { context, reasons } = contextOf(sealed(K1));

    const read = readResponse(context, RECORD, { kind: 'sealed', bytes: seal(K1, place, inside) });

    expect(read).toEqual({ opened: { kind: 'unreadable' }, form: 'current' });
    expect(reasons).toEqual(['malformed']);
  });

  it('comes back as it went in, whatever it is', () => {
    const text = fc.string({
      unit: fc.integer({ min: 32, max: 126 }).map((code) => String.fromCharCode(code)),
    });
    const name = fc.stringMatching(/^[A-Za-z-]{1,12}$/);

    fc.assert(
      fc.property(
        fc.integer({ min: 200, max: 599 }),
        fc.array(fc.tuple(name, text), { maxLength: 5 }).map((lines) => lines.flat()),
        fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
        fc.constantFrom(sealed(K1), bound(K1), bound(K2, K1)),
        (status, rawHeaders, body, sealing) => {
          const response = { ...FULL, status, rawHeaders, body };
          const { context } = contextOf(sealing);

          const read = readResponse(context, RECORD, storedForm(context, RECORD, response));

          expect(read).toEqual({ opened: response, form: 'current' });
        },
      ),
      { numRuns: 200 },
    );
  });
});
