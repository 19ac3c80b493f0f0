import { type Existence, type Pending, UNWRITTEN, type Versioned } from './resource-version.ts';

/** A version as the bytes of a cell: JSON, because it is small and an operator may have to read it. */

const FORMAT = 1;
const EXISTENCES: ReadonlySet<unknown> = new Set<Existence>(['exists', 'gone', 'unknown']);
const OWNER = /^[0-9a-f]{32}$/;

export function encodeVersion({ version, existence, pending }: Versioned): Uint8Array {
  return Buffer.from(JSON.stringify({ format: FORMAT, version, existence, pending }), 'latin1');
}

/** Null: it is none. An absent cell is a resource that was never written through here. */
export function decodeVersion(bytes: Uint8Array): Versioned | null {
  if (bytes.byteLength === 0) return UNWRITTEN;
  const read = parsed(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1'));
  if (!isObject(read) || read.format !== FORMAT) return null;
  const { version, existence, pending } = read;
  const isVersion = version === null || isOwner(version);
  if (!isVersion || !isExistence(existence) || !(pending === null || isPending(pending))) return null;
  return { version, existence, pending };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function isOwner(value: unknown): value is string {
  return typeof value === 'string' && OWNER.test(value);
}

function isExistence(value: unknown): value is Existence {
  return EXISTENCES.has(value);
}

function isPending(value: unknown): value is Pending {
  if (!isObject(value)) return false;
  const { owner, leaseMs, untilMs, quietMs, claim } = value;
  const areTimes = [leaseMs, untilMs, quietMs].every((ms) => typeof ms === 'number' && Number.isFinite(ms));
  return areTimes && isOwner(owner) && (claim === null || isClaim(claim));
}

function isClaim(value: unknown): boolean {
  return isObject(value) && typeof value.recordKey === 'string' && Number.isSafeInteger(value.token);
}
