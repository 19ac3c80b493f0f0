import type {
  Claim,
  ClaimRequest,
  ClaimResult,
  Owner,
  RecordKey,
  RecordView,
  StoredResponse,
  WriteResult,
} from '../../core/record.ts';
import { type RecordHead, type StoreTime, standing, viewOf } from '../../core/standing.ts';
import {
  claimStep,
  completeStep,
  dispatchStep,
  forgetStep,
  parkStep,
  releaseOwnerStep,
  releaseStep,
  renewStep,
  resealStep,
  resolveStep,
  stepResult,
  type WriteStep,
} from '../../core/transition.ts';
import { unreachable } from '../../core/unreachable.ts';
import { encodeResponse } from '../codec.ts';
import {
  type ListFilter,
  type ListPage,
  type Resolution,
  type Store,
  StoreUnavailable,
} from '../contract.ts';
import { createSettleSignals } from '../settle-signals.ts';
import { createLmdbCells, type LmdbCells } from './cells.ts';
import { storeTime } from './clock.ts';
import {
  closeEnvironment,
  type Environment,
  type EnvironmentOptions,
  entryCount,
  openEnvironment,
} from './environment.ts';
import { firstLookMs, nextLookMs } from './expiry-index.ts';
import { listRecords } from './listing.ts';
import { readToken, writeToken } from './meta-values.ts';
import { LmdbRecords, type ReadRecord, responseOf } from './records.ts';
import { createSettlePoll } from './settle-poll.ts';
import { createTransactions } from './transactions.ts';

export type LmdbStoreOptions = EnvironmentOptions & {
  /** Joiners waiting at once. Default 10,000. */
  readonly waitersMax?: number;
};

const KEY_CHARS_MAX = 255;
const WAITERS_MAX = 10_000;

/**
 * One environment for all processes of a machine. Every step is one transaction; transactions that come together are
 * committed together, off the event loop. `fsync`: an acknowledged write is on the disk. `commit`: it survives the
 * death of every process, but a machine that stops without syncing may leave files that cannot be used again.
 *
 * Throws Error that says what to do when the path cannot be used or the files cannot be read.
 */
export async function openLmdbStore(options: LmdbStoreOptions): Promise<Store> {
  return new LmdbStore(options, await openEnvironment(options));
}

class LmdbStore implements Store {
  readonly kind = 'lmdb';
  readonly cells: LmdbCells;
  readonly #options: LmdbStoreOptions;
  readonly #environment: Environment;
  readonly #records;
  readonly #transactions;
  readonly #signals;
  readonly #poll;
  #state: 'open' | 'closed' = 'open';

  constructor(options: LmdbStoreOptions, environment: Environment) {
    this.#options = options;
    this.#environment = environment;
    this.#records = new LmdbRecords(environment, options.bytesMax);
    this.#transactions = createTransactions(environment, options);
    const { waitersMax = WAITERS_MAX } = options;
    this.#signals = createSettleSignals(waitersMax);
    this.cells = createLmdbCells({
      ...{ environment, transactions: this.#transactions, waitersMax, time: () => this.#time() },
      refuseWhenFull: (time) => this.#records.refuseWhenFull(time),
    });
    this.#poll = createSettlePoll(this.#signals, (recordKey) => this.#settledBy(recordKey));
  }

  async claim(recordKey: RecordKey, request: ClaimRequest): Promise<ClaimResult> {
    checkKey(recordKey);
    const time = this.#time();
    // What stands in the way is read without the write lock: a replay costs no transaction.
    const record = this.#records.readNewest(recordKey);
    const step = claimStep(record?.head ?? null, request, time, 0);
    if (step.kind === 'answer') return step.result;
    if (step.kind === 'completed') return completedResult(record);
    return this.#transactions.run('claim', 0, () => this.#claim(recordKey, request));
  }

  dispatch(claim: Claim): Promise<WriteResult> {
    return this.#write(claim.recordKey, (head, time) => dispatchStep(head, claim, time));
  }

  renew(claim: Claim, leaseMs: number): Promise<WriteResult> {
    return this.#write(claim.recordKey, (head, time) => renewStep(head, claim, leaseMs, time));
  }

  async complete(claim: Claim, response: StoredResponse, retainMs: number): Promise<WriteResult> {
    const bytes = encodeResponse(response);
    return this.#write(claim.recordKey, (head, time) => completeStep(head, claim, retainMs, time), bytes);
  }

  release(claim: Claim, retryAfterMs: number | null): Promise<WriteResult> {
    return this.#write(claim.recordKey, (head, time) => releaseStep(head, claim, retryAfterMs, time));
  }

  releaseOwner(recordKey: RecordKey, owner: Owner): Promise<WriteResult> {
    return this.#write(recordKey, (head, time) => releaseOwnerStep(head, owner, time));
  }

  park(claim: Claim, reason: string): Promise<WriteResult> {
    return this.#write(claim.recordKey, (head, time) => parkStep(head, claim, reason, time));
  }

  async resolve(recordKey: RecordKey, token: number, to: Resolution): Promise<WriteResult> {
    const bytes = to.kind === 'completed' ? encodeResponse(to.response) : null;
    return this.#write(recordKey, (head, time) => resolveStep(head, token, to, time), bytes);
  }

  async reseal(recordKey: RecordKey, token: number, response: StoredResponse): Promise<WriteResult> {
    const bytes = encodeResponse(response);
    return this.#write(recordKey, (head, time) => resealStep(head, token, time), bytes);
  }

  async inspect(recordKey: RecordKey): Promise<RecordView | null> {
    checkKey(recordKey);
    const time = this.#time();
    const record = this.#records.readNewest(recordKey);
    if (record === null || standing(record.head, time) === 'absent') return null;
    return viewOf(
      recordKey,
      record.head,
      record.head.state === 'completed' ? responseOf(record) : null,
      time,
    );
  }

  async list(cursor: string | null, filter: ListFilter): Promise<ListPage> {
    return listRecords(this.#environment, cursor, filter, this.#time());
  }

  async forget(recordKey: RecordKey, how: 'settled-only' | 'forced'): Promise<'ok' | 'refused'> {
    checkKey(recordKey);
    const step = await this.#transact(0, () => {
      // The only way out for what cannot be read: nobody but an operator may say that it is to be executed again.
      if (how === 'forced' && this.#records.readable(recordKey) === 'damaged') {
        this.#records.removeDamaged(recordKey);
        return 'remove';
      }
      const record = this.#records.read(recordKey);
      const forgotten = forgetStep(record?.head ?? null, how, this.#time());
      if (forgotten === 'remove' && record !== null) this.#records.remove(recordKey, record.indexedAtMs);
      return forgotten;
    });
    if (step === 'remove') this.#signals.wake(recordKey);
    return step === 'refused' ? 'refused' : 'ok';
  }

  async settled(recordKey: RecordKey, signal: AbortSignal): Promise<void> {
    this.#time();
    const woken = this.#signals.wait(recordKey, signal);
    this.#poll.watch();
    await woken;
  }

  sweep(recordsMax: number): Promise<number> {
    return this.#transact(
      0,
      () => this.#records.sweep(recordsMax, this.#time()) + this.cells.sweep(recordsMax),
    );
  }

  async stats(): ReturnType<Store['stats']> {
    this.#time();
    return { records: entryCount(this.#environment.records), bytes: this.#records.bytes() };
  }

  async ping(): Promise<void> {
    this.#time();
    await this.#transactions.run('claim', 0, () => {
      this.#records.measureNext();
      this.#records.refuseWhenFull(this.#time());
    });
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#poll.stop();
    this.#signals.wakeAll();
    this.cells.stop();
    await closeEnvironment(this.#environment, this.#options);
  }

  /** Every operation asks for the time first, and so learns that the store is closed. */
  #time(): StoreTime {
    if (this.#state === 'closed') throw new StoreUnavailable('closed', 'the store is closed');
    return storeTime(this.#environment.base, this.#options.clock);
  }

  /** Inside a transaction. */
  #claim(recordKey: RecordKey, request: ClaimRequest): ClaimResult {
    const time = this.#time();
    const { meta, base } = this.#environment;
    const { lastToken, epoch } = readToken(meta);
    // A process of another machine or time namespace counts another clock: its leases and ours cannot be compared.
    if (epoch > base.epoch)
      throw new StoreUnavailable('error', 'the store was opened after another boot; restart this process');
    const record = this.#records.read(recordKey);
    const step = claimStep(record?.head ?? null, request, time, lastToken);
    switch (step.kind) {
      case 'answer':
        return step.result;
      case 'completed':
        return completedResult(record);
      case 'grant': {
        const resent = step.record.token <= lastToken;
        // A claim resent is no new one: its record is there already.
        if (!resent) this.#records.refuseWhenFull(time);
        if (!resent) writeToken(meta, step.record.token, base.epoch);
        // The sweep of a full store may have taken the record that stood here.
        const before = resent ? record : this.#records.read(recordKey);
        const indexedAtMs = before?.indexedAtMs ?? firstLookMs(time.nowMs, request.retainMs);
        this.#records.put(recordKey, before, step.record, null, indexedAtMs);
        return step.result;
      }
      default:
        return unreachable(step);
    }
  }

  async #write(
    recordKey: RecordKey,
    decide: (head: RecordHead | null, time: StoreTime) => WriteStep,
    response: Uint8Array | null = null,
  ): Promise<WriteResult> {
    checkKey(recordKey);
    const step = await this.#transact(response?.byteLength ?? 0, () => {
      const time = this.#time();
      const record = this.#records.read(recordKey);
      const decided = decide(record?.head ?? null, time);
      if (decided.kind === 'write' && record !== null) {
        const { record: head } = decided;
        const kept = head.state === 'completed' ? response : null;
        this.#records.put(recordKey, record, head, kept, nextLookMs(head, record.indexedAtMs, time.nowMs));
      }
      return decided;
    });
    if (step.kind === 'write' && step.record.state !== 'claimed' && step.record.state !== 'dispatched') {
      this.#signals.wake(recordKey);
    }
    return stepResult(step);
  }

  async #transact<Result>(bytes: number, step: () => Result): Promise<Result> {
    this.#time();
    return this.#transactions.run('settle', bytes, step);
  }

  #settledBy(recordKey: RecordKey): 'settled' | 'open' {
    try {
      const stands = standing(this.#records.readNewest(recordKey)?.head ?? null, this.#time());
      return stands === 'claimed' || stands === 'dispatched' ? 'open' : 'settled';
    } catch {
      // The waiter reads for itself, and fails with the reason.
      return 'settled';
    }
  }
}

function completedResult(record: ReadRecord | null): ClaimResult {
  if (record === null) throw new StoreUnavailable('corrupt', 'a completed record is absent');
  const { fingerprint, policyId, token } = record.head;
  return { kind: 'completed', fingerprint, policyId, token, response: responseOf(record) };
}

function checkKey(recordKey: RecordKey): void {
  if (recordKey.length > 0 && recordKey.length <= KEY_CHARS_MAX) return;
  throw new StoreUnavailable('error', `a record key must have 1 to ${KEY_CHARS_MAX} characters`);
}
