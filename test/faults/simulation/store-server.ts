import type {
  Claim,
  ClaimRequest,
  ClaimResult,
  Owner,
  RecordKey,
  RecordView,
  StoredResponse,
  WriteResult,
} from '../../../src/core/record.ts';
import { type RecordHead, type StoreTime, standing, viewOf } from '../../../src/core/standing.ts';
import * as transition from '../../../src/core/transition.ts';
import { decodeResponse, encodeResponse } from '../../../src/store/codec.ts';
import { type Resolution, StoreUnavailable } from '../../../src/store/contract.ts';

/** The server that all proxies of a history share: the state machine of the stores, one step at a time, over a map. */

export type Steps = Pick<
  typeof transition,
  | 'claimStep'
  | 'dispatchStep'
  | 'renewStep'
  | 'completeStep'
  | 'releaseStep'
  | 'releaseOwnerStep'
  | 'parkStep'
  | 'resolveStep'
>;

export const SOUND_STEPS: Steps = transition;

/** What an observer of the server sees: every step that changed something, in their one order. */
export type ServerWatch = {
  granted(recordKey: RecordKey, token: number, owner: Owner, how: 'new' | 'resent'): void;
  /** A step was applied; `token` 0 for steps that carry none. */
  applied(what: string, recordKey: RecordKey, token: number, result: string): void;
  /** The key may be executed anew from here on, by the word of an operator, a policy, or time. */
  reopened(recordKey: RecordKey, by: 'retry' | 'operator' | 'forgotten' | 'expired'): void;
  violation(what: string, detail: string): void;
};

type Entry = { readonly head: RecordHead; readonly response: Buffer | null };

const START_MS = 1_795_000_000_000;

export class StoreServer {
  readonly #nowMs: () => number;
  readonly #steps: Steps;
  readonly #watch: ServerWatch;
  readonly #entries = new Map<RecordKey, Entry>();
  #lastToken = 0;
  #epoch = 0;
  #epochStartMs = 0;
  /** Added to the server's clock; only ever by a jump. */
  jumpedMs = 0;

  constructor(nowMs: () => number, steps: Steps, watch: ServerWatch) {
    this.#nowMs = nowMs;
    this.#steps = steps;
    this.#watch = watch;
  }

  claim(recordKey: RecordKey, request: ClaimRequest): ClaimResult {
    const time = this.#time();
    const entry = this.#entries.get(recordKey);
    const stands = standing(entry?.head ?? null, time);
    const step = this.#steps.claimStep(entry?.head ?? null, request, time, this.#lastToken);
    if (step.kind === 'answer') {
      this.#watch.applied('claim', recordKey, step.result.token, step.result.kind);
      return step.result;
    }
    if (step.kind === 'completed') {
      if (entry === undefined) throw new Error('completed without a record');
      const { fingerprint, policyId, token } = entry.head;
      this.#watch.applied('claim', recordKey, token, 'completed');
      return { kind: 'completed', fingerprint, policyId, token, response: responseOf(entry) };
    }
    if (entry !== undefined && stands === 'absent' && entry.head.state !== 'released')
      this.#watch.reopened(recordKey, 'expired');
    const how = entry?.head.token === step.record.token ? 'resent' : 'new';
    this.#lastToken = Math.max(this.#lastToken, step.record.token);
    this.#entries.set(recordKey, { head: step.record, response: null });
    this.#watch.granted(recordKey, step.record.token, request.owner, how);
    return step.result;
  }

  dispatch(claim: Claim): WriteResult {
    const step = this.#steps.dispatchStep(this.head(claim.recordKey), claim, this.#time());
    return this.#write('dispatch', claim.recordKey, claim.token, step);
  }

  renew(claim: Claim, leaseMs: number): WriteResult {
    const step = this.#steps.renewStep(this.head(claim.recordKey), claim, leaseMs, this.#time());
    return this.#write('renew', claim.recordKey, claim.token, step);
  }

  complete(claim: Claim, response: StoredResponse, retainMs: number): WriteResult {
    const step = this.#steps.completeStep(this.head(claim.recordKey), claim, retainMs, this.#time());
    return this.#write('complete', claim.recordKey, claim.token, step, encodeResponse(response));
  }

  release(claim: Claim, retryAfterMs: number | null): WriteResult {
    const step = this.#steps.releaseStep(this.head(claim.recordKey), claim, retryAfterMs, this.#time());
    return this.#write('release', claim.recordKey, claim.token, step);
  }

  releaseOwner(recordKey: RecordKey, owner: Owner): WriteResult {
    const head = this.head(recordKey);
    const step = this.#steps.releaseOwnerStep(head, owner, this.#time());
    return this.#write('releaseOwner', recordKey, head?.token ?? 0, step);
  }

  park(claim: Claim, reason: string): WriteResult {
    const step = this.#steps.parkStep(this.head(claim.recordKey), claim, reason, this.#time());
    return this.#write('park', claim.recordKey, claim.token, step);
  }

  resolve(recordKey: RecordKey, token: number, to: Resolution, by: 'retry' | 'operator'): WriteResult {
    const step = this.#steps.resolveStep(this.head(recordKey), token, to, this.#time());
    const response = to.kind === 'completed' ? encodeResponse(to.response) : null;
    if (to.kind === 'restarted' && step.kind === 'write') this.#checkFailed(recordKey);
    const result = this.#write('resolve', recordKey, token, step, response);
    if (result === 'ok' && to.kind !== 'completed') this.#watch.reopened(recordKey, by);
    return result;
  }

  reseal(recordKey: RecordKey, token: number, response: StoredResponse): WriteResult {
    const step = transition.resealStep(this.head(recordKey), token, this.#time());
    return this.#write('reseal', recordKey, token, step, encodeResponse(response));
  }

  inspect(recordKey: RecordKey): RecordView | null {
    const entry = this.#entries.get(recordKey);
    if (entry === undefined) return null;
    this.#watch.applied('inspect', recordKey, entry.head.token, entry.head.state);
    const response = entry.response === null ? null : responseOf(entry);
    return viewOf(recordKey, entry.head, response, this.#time());
  }

  forget(recordKey: RecordKey, how: 'settled-only' | 'forced'): 'ok' | 'refused' {
    const head = this.head(recordKey);
    const step = transition.forgetStep(head, how, this.#time());
    if (step === 'refused') return 'refused';
    if (step === 'remove') this.#entries.delete(recordKey);
    if (head !== null && head.state !== 'released') this.#watch.reopened(recordKey, 'forgotten');
    return 'ok';
  }

  head(recordKey: RecordKey): RecordHead | null {
    return this.#entries.get(recordKey)?.head ?? null;
  }

  stands(recordKey: RecordKey): ReturnType<typeof standing> {
    return standing(this.head(recordKey), this.#time());
  }

  /** When a dispatched record lapses by this server's clock, in the time of the world. */
  leaseEndMs(recordKey: RecordKey): number {
    const head = this.head(recordKey);
    return head === null ? 0 : head.leaseEndMs - START_MS - this.jumpedMs;
  }

  sweep(): number {
    const time = this.#time();
    let removed = 0;
    for (const [recordKey, { head }] of this.#entries) {
      if (standing(head, time) !== 'absent') continue;
      this.#entries.delete(recordKey);
      if (head.state !== 'released') this.#watch.reopened(recordKey, 'expired');
      removed += 1;
    }
    return removed;
  }

  records(): number {
    return this.#entries.size;
  }

  /** The machine boots: between two boots no lease can be measured. */
  boot(): void {
    this.#epoch += 1;
    this.#epochStartMs = this.#time().nowMs;
  }

  /** What a server is left with that loses writes it had acknowledged. */
  snapshot(): () => void {
    const kept = new Map(this.#entries);
    const token = this.#lastToken;
    return () => {
      this.#entries.clear();
      for (const [recordKey, entry] of kept) this.#entries.set(recordKey, entry);
      this.#lastToken = token;
    };
  }

  /** What is sealed tells nothing here. */
  #checkFailed(recordKey: RecordKey): void {
    const entry = this.#entries.get(recordKey);
    if (entry === undefined || entry.response === null) return;
    const before = responseOf(entry);
    if (before.kind !== 'sealed' && before.status < 400)
      this.#watch.violation('a success was started anew', `${recordKey.slice(0, 6)}: ${before.status}`);
  }

  #time(): StoreTime {
    const nowMs = START_MS + this.#nowMs() + this.jumpedMs;
    return { nowMs, epoch: this.#epoch, epochStartMs: this.#epochStartMs };
  }

  #write(
    what: string,
    recordKey: RecordKey,
    token: number,
    step: transition.WriteStep,
    response: Buffer | null = null,
  ): WriteResult {
    const result = transition.stepResult(step);
    if (step.kind === 'write') this.#entries.set(recordKey, { head: step.record, response });
    this.#watch.applied(what, recordKey, token, result);
    return result;
  }
}

function responseOf(entry: Entry): StoredResponse {
  if (entry.response === null) throw new StoreUnavailable('corrupt', 'a completed record has no response');
  return decodeResponse(entry.response);
}
