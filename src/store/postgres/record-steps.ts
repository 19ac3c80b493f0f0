import type { ClaimRequest, ClaimResult, RecordKey } from '../../core/record.ts';
import { encodeResponse } from '../codec.ts';
import { type Resolution, type Store, StoreUnavailable, type StoreUnavailableReason } from '../contract.ts';
import {
  type Ask,
  readClaimRows,
  readForgetRows,
  readInspectRows,
  readWriteRows,
  settledAnswer,
} from './reply.ts';

/** How long a release stays visible to joiners; the token outlives it in the store's identity. */
const RELEASED_RETAIN_MS = 60_000;

/** Another statement can come between twice in a row; so often is no accident. */
const CLAIM_TRIES_MAX = 8;

/** Where nothing is granted, and what is settled can still be told. */
const STILL_READS: ReadonlySet<StoreUnavailableReason> = new Set(['readonly', 'unsafe']);

/** The steps of a record, one statement each; values in the order of the statement's header. */
export function createRecordSteps(
  run: Ask,
  channel: string,
  /** Throws StoreUnavailable while nothing may be granted. */
  demandFitness: () => void,
): Omit<Store, 'kind' | 'cells' | 'list' | 'settled' | 'sweep' | 'stats' | 'ping' | 'close'> {
  async function claim(key: RecordKey, request: ClaimRequest): Promise<ClaimResult> {
    const { owner, fingerprint, policyId, leaseMs, unknownRetainMs, state, retainMs, note } = request;
    const values = [key, owner, fingerprint, policyId, leaseMs, unknownRetainMs, state, retainMs, note];
    for (let tries = 0; tries < CLAIM_TRIES_MAX; tries += 1) {
      const result = readClaimRows(await run('claim', values));
      if (result !== null) return result;
    }
    throw new StoreUnavailable('busy', 'postgres: the record is written over and over by others');
  }

  return {
    async claim(key, request) {
      try {
        demandFitness();
        return await claim(key, request);
      } catch (error) {
        if (!(error instanceof StoreUnavailable) || !STILL_READS.has(error.reason)) throw error;
        // A claim is a write in the eyes of a server that takes none, even where it would only read.
        const rows = await run('inspect', [key, 'with-response']);
        const answer = settledAnswer(readInspectRows(rows));
        if (answer === null) throw error;
        return answer;
      }
    },
    async dispatch({ recordKey: key, token, owner }) {
      return readWriteRows(await run('dispatch', [key, token, owner]));
    },
    async renew({ recordKey: key, token, owner }, leaseMs) {
      return readWriteRows(await run('renew', [key, token, owner, leaseMs]));
    },
    async complete({ recordKey: key, token, owner }, response, retainMs) {
      const bytes = encodeResponse(response);
      return readWriteRows(await run('complete', [key, token, owner, retainMs, bytes, channel]));
    },
    async release({ recordKey: key, token, owner }, retryAfterMs) {
      return readWriteRows(
        await run('release', [key, token, owner, RELEASED_RETAIN_MS, retryAfterMs, channel]),
      );
    },
    async releaseOwner(key, owner) {
      return readWriteRows(await run('release-owner', [key, owner, RELEASED_RETAIN_MS, channel]));
    },
    async park({ recordKey: key, token, owner }, reason) {
      return readWriteRows(await run('park', [key, token, owner, reason, channel]));
    },
    async resolve(key, token, to) {
      return readWriteRows(await run('resolve', [key, token, ...resolution(to), channel, quietMs(to)]));
    },
    async reseal(key, token, response) {
      return readWriteRows(await run('reseal', [key, token, encodeResponse(response)]));
    },
    async inspect(key) {
      return readInspectRows(await run('inspect', [key, 'with-response']));
    },
    async forget(key, how) {
      return readForgetRows(await run('forget', [key, how]));
    },
  };
}

function quietMs(to: Resolution): number {
  return to.kind === 'released' ? to.quietMs : 0;
}

function resolution(to: Resolution): readonly [state: string, lifeMs: number, response: Buffer | null] {
  return to.kind === 'completed'
    ? ['completed', to.retainMs, encodeResponse(to.response)]
    : [to.kind, RELEASED_RETAIN_MS, null];
}
