import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { belongsTo, parseTaskId } from '../../src/core/task-id.ts';
import { makeTicket, TICKET_ID_BYTES, ticketState } from '../../src/core/ticket.ts';

const SECRET = Buffer.from('a secret of the store');
const OTHER_SECRET = Buffer.from('another secret of the store');
const MINE = { route: 'orders', scope: Buffer.from('mine') };
const ID = Buffer.alloc(TICKET_ID_BYTES, 7);
const EXPIRES_MS = 1_800_000_000_000;
const TICKET = makeTicket(SECRET, MINE, EXPIRES_MS, ID);

describe('a ticket', () => {
  it('is valid until it expires, and then only expired', () => {
    const at = (nowMs: number): string => ticketState([SECRET], MINE, TICKET, nowMs);

    expect([at(0), at(EXPIRES_MS - 1), at(EXPIRES_MS), at(EXPIRES_MS + 1)]).toEqual([
      ...['valid', 'valid', 'expired', 'expired'],
    ]);
  });

  it('is good for its own route and caller alone', () => {
    const of = (route: string, scope: string): string =>
      ticketState([SECRET], { route, scope: Buffer.from(scope) }, TICKET, 0);

    expect([
      of('orders', 'mine'),
      of('refunds', 'mine'),
      of('orders', 'theirs'),
      of('ordersm', 'ine'),
    ]).toEqual([...['valid', 'unknown', 'unknown', 'unknown']]);
  });

  it('names no task, though both are proven under one secret', () => {
    const anonymous = Buffer.from('a');
    const route = 'fourteen-chars';
    const id = Buffer.alloc(TICKET_ID_BYTES, 'a');
    const ticket = Buffer.from(makeTicket(SECRET, { route, scope: anonymous }, EXPIRES_MS, id), 'base64url');
    // The name of a task is 45 bytes and 12 of its proof. So cut, what is proven of a ticket would be one, and its end
    // a scope.
    const proven = Buffer.concat([
      ...[Buffer.from([0, 0, 0, 14, 0, 0, 0, 1]), Buffer.from(route), anonymous],
      ticket.subarray(0, 23),
    ]);
    const name = Buffer.concat([proven.subarray(0, 45), ticket.subarray(23, 35)]).toString('base64url');
    const parsed = parseTaskId(name);

    expect(proven.subarray(45)).toEqual(anonymous);
    expect(parsed === null ? null : belongsTo(parsed, SECRET, anonymous)).toBe('no');
  });

  it('is good under every secret in use, and under no other', () => {
    expect(ticketState([OTHER_SECRET, SECRET], MINE, TICKET, 0)).toBe('valid');
    expect(ticketState([OTHER_SECRET], MINE, TICKET, 0)).toBe('unknown');
    expect(ticketState([], MINE, TICKET, 0)).toBe('unknown');
  });

  it('has one text: no other spelling of the same bytes is taken for it', () => {
    const spellings = [
      ...[`${TICKET}=`, `${TICKET} `, ` ${TICKET}`, `${TICKET}A`, TICKET.slice(0, -1), ''],
      Buffer.from(TICKET, 'base64url').toString('base64'),
      TICKET.toLowerCase(),
    ].filter((text) => text !== TICKET);

    expect(TICKET).toMatch(/^[A-Za-z0-9_-]{52}$/);
    expect(spellings.map((text) => ticketState([SECRET], MINE, text, 0))).toEqual(
      spellings.map(() => 'unknown'),
    );
  });

  it('differs in every part that is made anew', () => {
    expect(makeTicket(SECRET, MINE, EXPIRES_MS, Buffer.alloc(TICKET_ID_BYTES, 8))).not.toBe(TICKET);
    expect(makeTicket(SECRET, MINE, EXPIRES_MS + 1, ID)).not.toBe(TICKET);
  });

  it('that is changed in any bit is unknown', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 39 * 8 - 1 }), (bit) => {
        const bytes = Buffer.from(TICKET, 'base64url');
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));

        expect(ticketState([SECRET], MINE, bytes.toString('base64url'), 0)).toBe('unknown');
      }),
    );
  });

  it('that somebody makes up is unknown', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ maxLength: 60 }), fc.stringMatching(/^[A-Za-z0-9_-]{52}$/)),
        (text) => {
          expect(ticketState([SECRET], MINE, text, 0)).toBe('unknown');
        },
      ),
    );
  });

  it('reads back as it was made, for whomever and whenever', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.uint8Array({ maxLength: 40 }),
        fc.integer({ min: 1, max: 2 ** 47 }),
        fc.uint8Array({ minLength: TICKET_ID_BYTES, maxLength: TICKET_ID_BYTES }),
        (route, scope, expiresAtMs, id) => {
          const text = makeTicket(SECRET, { route, scope }, expiresAtMs, id);

          expect(ticketState([SECRET], { route, scope }, text, expiresAtMs - 1)).toBe('valid');
          expect(ticketState([SECRET], { route, scope }, text, expiresAtMs)).toBe('expired');
        },
      ),
    );
  });
});
