import { randomBytes } from 'node:crypto';
import type {
  Claim,
  ClaimRequest,
  ClaimResult,
  RecordState,
  RecordView,
  StoredResponse,
} from '../../src/core/record.ts';
import { unreachable } from '../../src/core/unreachable.ts';
import type { Store } from '../../src/store/contract.ts';

/** What a store brings to be put through `storeContract`. */
export type StoreHarness = {
  readonly store: Store;
  /** All times of the suite are multiples of it: long where the clock is injected, short where it is real. */
  readonly unitMs: number;
  /** Lets the store's time pass, by moving its clock or by waiting. */
  advance(ms: number): Promise<void>;
  /** Stops the store without ceremony and opens it again on the same records; null where they do not outlive it. */
  readonly reopen: (() => Promise<Store>) | null;
  /** Another connection to the same records; the same store where there is only one. */
  second(): Promise<Store>;
  /** Whether expired records go by `sweep` or by the store itself. */
  readonly expiry: 'by-sweep' | 'by-itself';
  cleanup(): Promise<void>;
};

export type OpenHarness = () => Promise<StoreHarness>;

export function newRecordKey(): string {
  return randomBytes(32).toString('base64url');
}

export function newOwner(): string {
  return randomBytes(16).toString('hex');
}

export const FULL: Extract<StoredResponse, { kind: 'full' }> = {
  kind: 'full',
  status: 201,
  rawHeaders: ['Content-Type', 'application/json', 'Location', '/payments/1'],
  body: Buffer.from('{"id":1}'),
  receivedAtMs: 1_795_000_000_123,
};

export type Units = { readonly lease: number; readonly retain: number; readonly unknownRetain: number };

/** A claim request in units of the harness. */
export function requestOf(unitMs: number, change: Partial<ClaimRequest> & Partial<Units> = {}): ClaimRequest {
  const { lease = 2, retain = 20, unknownRetain = 40, ...rest } = change;
  return {
    owner: newOwner(),
    fingerprint: 'fingerprint-1',
    policyId: 'policy-1',
    leaseMs: lease * unitMs,
    retainMs: retain * unitMs,
    unknownRetainMs: unknownRetain * unitMs,
    state: 'dispatched',
    note: null,
    ...rest,
  };
}

export type Grant = { readonly claim: Claim; readonly attempt: number };

/** Claims a key that must be free. */
export async function granted(store: Store, recordKey: string, request: ClaimRequest): Promise<Grant> {
  const result = await store.claim(recordKey, request);
  if (result.kind !== 'claimed') throw new Error(`the key should be free, it is ${result.kind}`);
  return { claim: { recordKey, owner: request.owner, token: result.token }, attempt: result.attempt };
}

/** The response of a completed result, body as a Buffer so that it compares by bytes. */
export function responseOf(result: ClaimResult): StoredResponse {
  if (result.kind !== 'completed') throw new Error(`the key should be completed, it is ${result.kind}`);
  return comparable(result.response);
}

export function comparable(response: StoredResponse): StoredResponse {
  switch (response.kind) {
    case 'full':
      return { ...response, body: Buffer.from(response.body) };
    case 'sealed':
      return { ...response, bytes: Buffer.from(response.bytes) };
    case 'unstored':
      return response;
    default:
      return unreachable(response);
  }
}

/** Every page of a listing. */
export async function listAll(store: Pick<Store, 'list'>, state: RecordState | null): Promise<RecordView[]> {
  const found: RecordView[] = [];
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<Store['list']>> = await store.list(cursor, { state, limit: 100 });
    found.push(...page.records);
    cursor = page.cursor;
  } while (cursor !== null);
  return found;
}
