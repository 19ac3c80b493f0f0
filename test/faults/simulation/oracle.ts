import type { RoutePolicy } from '../../../src/core/policy.ts';
import type { Owner, RecordKey } from '../../../src/core/record.ts';
import { type ExchangeEnd, settle } from '../../../src/core/settle.ts';
import { firstValue } from '../../../src/core/wire.ts';
import { type Accountable, type Asked, freshKey, type KeyState } from './accounts.ts';
import { differenceOf, problemOf, toldOf } from './answers.ts';
import type { BackendWatch, Dispatched } from './backend.ts';
import type { Answer } from './connection.ts';
import type { ServerWatch, StoreServer } from './store-server.ts';
import type { Timeline } from './timeline.ts';

/** Watches a history from outside and says where the promise of docs/guarantees.md was broken. */

export type Violation = { readonly what: string; readonly detail: string };

export class Oracle implements BackendWatch, ServerWatch {
  readonly violations: Violation[] = [];
  readonly accountable: Accountable = { storeClock: 'steady', storeWrites: 'kept' };
  readonly asked = new Map<string, Asked>();
  readonly seen = {
    dispatched: 0,
    acted: 0,
    answered: 0,
    replayed: 0,
    reopened: 0,
    unknown: 0,
    forwarded: 0,
    doubles: 0,
  };
  readonly #timeline: Timeline;
  readonly #policy: RoutePolicy;
  readonly #server: () => StoreServer;
  readonly #keys = new Map<RecordKey, KeyState>();
  /** A late holder belongs to the epoch of its claim, whatever has happened to the key since. */
  readonly #epochOfToken = new Map<number, number>();
  readonly #epochOf = new Map<number, number>();
  readonly #sentById = new Map<number, Dispatched>();
  readonly #sentFor = new Map<string, Dispatched>();
  readonly #dates = new Map<number, string>();
  readonly #trace: ((line: string) => void) | null;
  /** When the store last answered a write of a claim, by token. */
  readonly #lastWriteMs = new Map<number, number>();
  readonly #tokenOf = new Map<string, number>();
  #lastToken = 0;

  constructor(
    timeline: Timeline,
    policy: RoutePolicy,
    server: () => StoreServer,
    trace: ((line: string) => void) | null,
  ) {
    this.#timeline = timeline;
    this.#policy = policy;
    this.#server = server;
    this.#trace = trace;
  }

  violation(what: string, detail: string): void {
    this.#trace?.(`VIOLATION ${what}: ${detail}`);
    this.violations.push({ what, detail: `${detail} at ${this.#timeline.nowMs.toFixed(1)} ms` });
  }

  key(recordKey: RecordKey): KeyState {
    const known = this.#keys.get(recordKey);
    if (known !== undefined) return known;
    const fresh = freshKey(recordKey);
    this.#keys.set(recordKey, fresh);
    return fresh;
  }

  keys(): IterableIterator<[RecordKey, KeyState]> {
    return this.#keys.entries();
  }

  granted(recordKey: RecordKey, token: number, owner: Owner, how: 'new' | 'resent'): void {
    const key = this.key(recordKey);
    this.#trace?.(`store grants ${key.name} token ${token} ${how} to ${owner.slice(0, 6)}`);
    key.lastActivityMs = this.#timeline.nowMs;
    if (how === 'resent') return;
    this.#epochOfToken.set(token, key.epoch);
    if (token <= this.#lastToken && this.accountable.storeWrites === 'kept')
      this.violation('a token did not grow', `${token} after ${this.#lastToken}`);
    this.#lastToken = Math.max(this.#lastToken, token);
  }

  applied(what: string, recordKey: RecordKey, token: number, result: string): void {
    this.#trace?.(`store ${what} ${recordKey.slice(0, 6)} token ${token}: ${result}`);
    // A renewal that comes after the release finds the claim gone: the request has let go of it, and hears nothing.
    if (what === 'dispatch' || what === 'release' || (what === 'renew' && result === 'ok'))
      this.#lastWriteMs.set(token, this.#timeline.nowMs);
    if (what !== 'inspect' && what !== 'claim') this.key(recordKey).lastActivityMs = this.#timeline.nowMs;
  }

  reopened(recordKey: RecordKey, by: 'retry' | 'operator' | 'forgotten' | 'expired'): void {
    const key = this.key(recordKey);
    this.#trace?.(`${key.name} is open anew: ${by}`);
    this.seen.reopened += 1;
    key.overMs.set(key.epoch, this.#timeline.nowMs);
    key.epoch += 1;
    key.dispatches = [];
    // An operator looks first: what he re-opens, the backend has not done and will not do.
    if (by !== 'operator') key.freedBy.add(by);
    // A holder may still count on the lease that the jump has ended. `retry` waits for that by a clock of its own.
    if (this.accountable.storeClock === 'jumped' && by !== 'retry') key.protection = 'none';
  }

  starting(requestId: string, token: number | null): void {
    if (token !== null) this.#tokenOf.set(requestId, token);
  }

  dispatched(sent: Dispatched): void {
    this.seen.dispatched += 1;
    this.#trace?.(
      `${sent.party.name} dispatches ${sent.requestId} as exchange ${sent.id} token ${sent.token} (${sent.answer.status})`,
    );
    if (this.#sentFor.has(sent.requestId))
      this.violation('one request was sent twice', `${sent.requestId} as exchange ${sent.id}`);
    this.#sentFor.set(sent.requestId, sent);
    this.#sentById.set(sent.id, sent);
    const asked = this.asked.get(sent.requestId);
    if (asked === undefined || asked.keyed === 'unkeyed') return;
    const key = this.key(asked.recordKey);
    const epoch = this.#epochOfToken.get(sent.token ?? 0) ?? key.epoch;
    this.#epochOf.set(sent.id, epoch);
    key.lastActivityMs = this.#timeline.nowMs;
    if (sent.token === null) {
      this.seen.forwarded += 1;
      key.protection = 'none';
      if (this.#policy.onStoreDown === 'refuse')
        this.violation('a keyed request was sent without a claim', sent.requestId);
      return;
    }
    this.#checkClaim(asked.recordKey, sent);
    if (key.dispatches.length > 0 && this.#protects(key))
      this.violation('a key was dispatched twice', `${key.name}: ${idsOf([...key.dispatches, sent])}`);
    if (epoch === key.epoch) key.dispatches.push(sent);
  }

  acted(sent: Dispatched): void {
    this.seen.acted += 1;
    this.#trace?.(`backend acts on exchange ${sent.id}`);
    const asked = this.asked.get(sent.requestId);
    if (asked === undefined || asked.keyed === 'unkeyed') return;
    const key = this.key(asked.recordKey);
    const epoch = this.#epochOf.get(sent.id) ?? key.epoch;
    key.acts.push({ sent, epoch, atMs: this.#timeline.nowMs });
    const inEpoch = key.acts.filter((act) => act.epoch === epoch);
    // Without a policy, time or a careless hand in between, a key is executed once and never again.
    const counted = key.freedBy.size === 0 ? key.acts : inEpoch;
    if (counted.length > 1) this.seen.doubles += 1;
    if (counted.length > 1 && this.#protects(key))
      this.violation('a key was executed twice', `${key.name}: ${idsOf(counted.map((act) => act.sent))}`);
  }

  closed(sent: Dispatched, end: ExchangeEnd): void {
    this.#trace?.(`exchange ${sent.id} is over: ${end.kind}`);
    const asked = this.asked.get(sent.requestId);
    if (asked === undefined || asked.keyed === 'unkeyed') return;
    const key = this.key(asked.recordKey);
    key.lastActivityMs = this.#timeline.nowMs;
    // The status table says "not executed": the one exception by which the key is free again.
    if (settle(end, 'captured', this.#policy).kind === 'release')
      key.dispatches = key.dispatches.filter((other) => other !== sent);
  }

  /** Whether the backend may still act on the key, as far as one can know who looks at it. */
  busy(recordKey: RecordKey): boolean {
    for (const sent of this.#sentById.values()) {
      if (this.asked.get(sent.requestId)?.recordKey !== recordKey) continue;
      if (sent.backend === 'busy') return true;
      if (sent.connection === 'open' && sent.party.state === 'alive') return true;
    }
    return false;
  }

  /** What an operator finds at the backend of the execution under this token: the act, or null. */
  actOf(recordKey: RecordKey, token: number): Dispatched | null {
    return this.key(recordKey).acts.find(({ sent }) => sent.token === token)?.sent ?? null;
  }

  /** A proxy has said its whole answer. */
  emitted(id: string, answer: Answer): void {
    const asked = this.asked.get(id);
    if (asked === undefined) return;
    this.#trace?.(`${id} is answered ${answer.status} ${problemOf(answer)?.code ?? ''}`);
    const problem = problemOf(answer);
    if (problem === null) {
      if (asked.keyed === 'keyed') this.#checkTold(asked, answer);
      return;
    }
    if (problem.code === 'outcome-unknown') this.seen.unknown += 1;
    if (problem.executed === 'no') this.#checkNotExecuted(asked, problem.code);
    if (problem.code === 'response-not-stored' && this.accountable.storeWrites === 'kept') {
      const sent = [...this.#sentById.values()].filter(
        (one) =>
          this.asked.get(one.requestId)?.recordKey === asked.recordKey && one.answer.action === 'complete',
      );
      if (sent.length === 0) this.violation('said executed of what never was', id);
    }
  }

  #protects(key: KeyState): boolean {
    return key.protection === 'whole' && this.accountable.storeWrites === 'kept';
  }

  /** No time passes here between the last look and the first byte: the claim must hold at the store too. */
  #checkClaim(recordKey: RecordKey, sent: Dispatched): void {
    if (this.accountable.storeClock === 'jumped' || this.accountable.storeWrites === 'lost') return;
    const head = this.#server().head(recordKey);
    const stands = this.#server().stands(recordKey);
    if (head?.token !== sent.token || stands !== 'dispatched')
      this.violation('dispatched without holding the claim', `${sent.requestId}, the key is ${stands}`);
  }

  #checkNotExecuted(asked: Asked, code: string): void {
    const own = this.#sentFor.get(asked.id);
    // Who waited for his own task hears of it as a joiner does: the status table says what did not execute.
    if (own !== undefined && code !== 'released') {
      this.violation('said "not executed" of what it had sent', `${asked.id}: ${code}`);
      return;
    }
    if (asked.keyed === 'unkeyed' || this.accountable.storeWrites === 'lost') return;
    const key = this.key(asked.recordKey);
    const token = this.#tokenOf.get(asked.id);
    // The answer is as old as what the store last said to this request; what came after it no proxy can know.
    const knownMs =
      code === 'upstream-unreachable' && token !== undefined
        ? (this.#lastWriteMs.get(token) ?? asked.startedMs)
        : asked.startedMs;
    for (const { sent, epoch, atMs } of key.acts) {
      // What went out without a claim left no record: the operator's word.
      if (sent.token === null || epoch !== key.epoch || atMs >= knownMs) continue;
      // These two speak of the key; all others of this payload.
      const ofKey = code === 'upstream-unreachable' || code === 'released';
      if (!ofKey && sent.payload !== asked.payload) continue;
      this.violation('said "not executed" of what was', `${asked.id}: ${code}, exchange ${sent.id}`);
    }
  }

  /** A task is told of in words of ours, with the response within, or is the response itself. */
  #checkTold(asked: Asked, answer: Answer): void {
    const told = toldOf(answer);
    if (told === null) this.#checkResponse(asked, answer);
    else if (told.response !== undefined) this.#checkResponse(asked, told.response);
    else if (told.state === 'released') this.#checkNotExecuted(asked, told.state);
  }

  #checkResponse(asked: Asked, answer: Answer): void {
    this.seen.answered += 1;
    const mark = firstValue(answer.rawHeaders, 'idempotency-status');
    const sent = this.#sentById.get(Number(firstValue(answer.rawHeaders, 'x-exchange')));
    if (sent === undefined) {
      this.violation('an answer that no backend gave', `${asked.id}: ${answer.status}`);
      return;
    }
    const other =
      sent.principal !== asked.principal || sent.key !== asked.key || sent.payload !== asked.payload;
    if (other) this.violation('the response of another', `${asked.id} got exchange ${sent.id}`);
    const difference = differenceOf(sent, answer);
    if (difference !== null)
      this.violation('a response was not the same', `${asked.id}, exchange ${sent.id}: ${difference}`);
    this.#checkDate(asked, sent, answer);
    if (mark === 'replayed' || mark === 'joined') {
      this.seen.replayed += 1;
      if (sent.answer.action !== 'complete')
        this.violation('a response was replayed that is not kept', `${asked.id}, exchange ${sent.id}`);
    } else if (mark !== 'executed') {
      return;
    }
    const key = this.key(asked.recordKey);
    const epoch = this.#epochOf.get(sent.id) ?? 0;
    const overMs = key.overMs.get(epoch) ?? Number.POSITIVE_INFINITY;
    if (mark !== 'executed' && overMs < asked.startedMs && this.#protects(key))
      this.violation(
        'a response came back after its key was opened anew',
        `${asked.id}, exchange ${sent.id}`,
      );
    const kept = key.kept.get(epoch) ?? sent.id;
    key.kept.set(epoch, kept);
    if (kept !== sent.id && this.#protects(key))
      this.violation('a repeat got another response', `${asked.id}: exchange ${sent.id}, not ${kept}`);
  }

  /** Given where the backend gave none, and from then on the same. */
  #checkDate(asked: Asked, sent: Dispatched, answer: Answer): void {
    const date = firstValue(answer.rawHeaders, 'date');
    // An operator's response may have none.
    if (date === undefined) return;
    const first = this.#dates.get(sent.id) ?? date;
    this.#dates.set(sent.id, first);
    if (first !== date && sent.answer.action === 'complete')
      this.violation('a response was not the same', `${asked.id}: Date ${date}, not ${first}`);
  }
}

function idsOf(sent: readonly Dispatched[]): string {
  return sent
    .map(({ id, requestId, token }) => `exchange ${id} (${requestId}, token ${token})`)
    .join(' and ');
}
