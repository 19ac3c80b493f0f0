import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * A key that Onceward has made: nothing is stored of it until it is spent, by an ordinary claim. It says until when it
 * may be spent for the first time, and carries a proof of that, of its route and of whom it was made for.
 */

export type TicketPolicy = {
  readonly lifeMs: number;
  /** How many one principal may take from one process. */
  readonly rate: { readonly burst: number; readonly perHour: number };
};

export type TicketBinding = { readonly route: string; readonly scope: Uint8Array };

/** unknown: made up, made for somebody or something else, or under a secret that is gone; which, nobody is told. */
export type TicketState = 'valid' | 'expired' | 'unknown';

const VERSION = 1;
const EXPIRY_BYTES = 6;
export const TICKET_ID_BYTES = 16;
const PROOF_BYTES = 16;
const SIGNED_BYTES = 1 + EXPIRY_BYTES + TICKET_ID_BYTES;

/** A multiple of three bytes: every text of this form stands for one ticket, and every ticket has one text. */
const TEXT = /^[A-Za-z0-9_-]{52}$/;

export function makeTicket(
  secret: Uint8Array,
  binding: TicketBinding,
  expiresAtMs: number,
  id: Uint8Array,
): string {
  const ticket = Buffer.alloc(SIGNED_BYTES + PROOF_BYTES);
  ticket[0] = VERSION;
  ticket.writeUIntBE(expiresAtMs, 1, EXPIRY_BYTES);
  ticket.set(id.subarray(0, TICKET_ID_BYTES), 1 + EXPIRY_BYTES);
  ticket.set(proofOf(secret, binding, ticket.subarray(0, SIGNED_BYTES)), SIGNED_BYTES);
  return ticket.toString('base64url');
}

/** `secrets`: any of them may have made it, as they are rotated. */
export function ticketState(
  secrets: readonly Uint8Array[],
  binding: TicketBinding,
  text: string,
  nowMs: number,
): TicketState {
  if (!TEXT.test(text)) return 'unknown';
  const ticket = Buffer.from(text, 'base64url');
  const signed = ticket.subarray(0, SIGNED_BYTES);
  const proof = ticket.subarray(SIGNED_BYTES);
  const isOurs = secrets.some((secret) => timingSafeEqual(proofOf(secret, binding, signed), proof));
  if (!isOurs || signed[0] !== VERSION) return 'unknown';
  return nowMs < signed.readUIntBE(1, EXPIRY_BYTES) ? 'valid' : 'expired';
}

/** Tagged apart from all else that is made under the same secret: record keys, cells, and the names of tasks. */
function proofOf(secret: Uint8Array, { route, scope }: TicketBinding, signed: Uint8Array): Uint8Array {
  const name = Buffer.from(route);
  const lengths = Buffer.alloc(9);
  lengths[0] = 0x71;
  lengths.writeUInt32BE(name.byteLength, 1);
  lengths.writeUInt32BE(scope.byteLength, 5);
  const hmac = createHmac('sha256', secret).update(lengths).update(name).update(scope).update(signed);
  return hmac.digest().subarray(0, PROOF_BYTES);
}
