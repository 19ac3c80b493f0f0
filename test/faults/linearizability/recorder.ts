import process from 'node:process';
import type { ClaimRequest, ClaimResult, RecordView, StoredResponse } from '../../../src/core/record.ts';
import { unreachable } from '../../../src/core/unreachable.ts';
import { type Store, StoreUnavailable } from '../../../src/store/contract.ts';
import { FULL, requestOf } from '../../contract/harness.ts';
import { createDraw, type Draw } from '../simulation/draw.ts';
import type { Operation, Seen, Step } from './checker.ts';

/** Clients that do at random what the contract allows, at once, and write down what they called, saw, and when. */

export type Recording = {
  /** Of every key's name. */
  readonly name: string;
  readonly seed: number;
  readonly clients: readonly string[];
  readonly stepsEach: number;
  readonly keys: number;
  /** The part of calls whose answer does not come: never sent, or sent and not heard of. */
  readonly lost: number;
  /** turns: calls take a moment before and after they reach a store that answers at once. */
  readonly pace: 'as-it-is' | 'turns';
};

export type Recorded = Readonly<Record<string, readonly Operation[]>>;

/** What a client knows of a key. */
type Known = {
  readonly claims: { owner: string; token: number | null }[];
  readonly tokens: number[];
};

export async function record(store: Store, recording: Recording): Promise<Recorded> {
  const byKey: Record<string, Operation[]> = {};
  for (let n = 0; n < recording.keys; n += 1) byKey[`${recording.name}-${n}`] = [];
  const background: Promise<unknown>[] = [];
  const clients = recording.clients.map((name, at) =>
    runClient(store, recording, name, createDraw(recording.seed * 31 + at), byKey, background),
  );
  await Promise.all(clients);
  await Promise.allSettled(background);
  return byKey;
}

async function runClient(
  store: Store,
  recording: Recording,
  name: string,
  draw: Draw,
  byKey: Record<string, Operation[]>,
  background: Promise<unknown>[],
): Promise<void> {
  const known: Record<string, Known> = {};
  for (let n = 0; n < recording.stepsEach; n += 1) {
    const key = `${recording.name}-${draw.int(0, recording.keys - 1)}`;
    known[key] ??= { claims: [], tokens: [] };
    const step = drawStep(draw, known[key], `${recording.name} ${name} ${n}`);
    const calledNs = nowNs();
    if (recording.pace === 'turns') await turns(draw.int(0, 2));
    const loss = draw.chance(recording.lost) ? draw.pick(['never sent', 'not heard of']) : 'none';
    const answer = loss === 'never sent' ? null : call(store, key, step);
    let seen: Seen | null = null;
    if (loss === 'not heard of' && answer !== null) {
      background.push(answer.catch(() => undefined));
    } else if (answer !== null) {
      seen = await answer.catch((error: unknown) => {
        if (error instanceof StoreUnavailable) return null;
        throw error;
      });
    }
    if (recording.pace === 'turns') await turns(draw.int(0, 2));
    const returned = seen === null ? null : { atNs: nowNs(), seen };
    byKey[key]?.push({ client: name, step, calledNs, returned });
    learn(known[key], step, seen);
  }
}

/** One clock for all processes of the machine. */
function nowNs(): number {
  return Number(process.hrtime.bigint());
}

async function turns(count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) await new Promise((resolve) => setImmediate(resolve));
}

function learn(known: Known, step: Step, seen: Seen | null): void {
  if (step.do === 'claim' && (seen === null || seen.word === 'claimed'))
    known.claims.push({ owner: step.owner, token: seen?.token ?? null });
  if (seen?.token !== undefined && seen.token !== null) known.tokens.push(seen.token);
}

const KINDS = [
  ...(['claim', 'claim', 'claim', 'claim', 'claim'] as const),
  ...(['complete', 'complete', 'release', 'release', 'dispatch', 'park', 'renew'] as const),
  ...(['releaseOwner', 'resolve', 'forget', 'inspect', 'inspect'] as const),
] as const;

function drawStep(draw: Draw, known: Known, fresh: string): Step {
  const kind = draw.pick(KINDS);
  const own = known.claims.at(-1 - draw.int(0, Math.min(1, Math.max(0, known.claims.length - 1))));
  const state: ClaimRequest['state'] = draw.chance(0.5) ? 'claimed' : 'dispatched';
  switch (kind) {
    case 'claim':
      // The same owner again: a claim whose answer was lost.
      return { do: 'claim', owner: own !== undefined && draw.chance(0.25) ? own.owner : fresh, state };
    case 'inspect':
      return { do: 'inspect' };
    case 'forget':
      return { do: 'forget', how: draw.pick(['settled-only', 'forced']) };
    case 'resolve': {
      const token = known.tokens.at(-1);
      if (token === undefined) return { do: 'inspect' };
      return { do: 'resolve', token, to: draw.pick(['completed', 'released']), body: `resolved ${fresh}` };
    }
    case 'releaseOwner':
      return own === undefined
        ? { do: 'claim', owner: fresh, state }
        : { do: 'releaseOwner', owner: own.owner };
    case 'complete':
    case 'release':
    case 'dispatch':
    case 'park':
    case 'renew': {
      if (own === undefined || own.token === null) return { do: 'claim', owner: fresh, state };
      const claim = { owner: own.owner, token: own.token };
      return kind === 'complete'
        ? { do: kind, ...claim, body: `completed ${fresh}` }
        : { do: kind, ...claim };
    }
    default:
      return unreachable(kind);
  }
}

const HOUR_MS = 3_600_000;

async function call(store: Store, recordKey: string, step: Step): Promise<Seen> {
  const word = (what: string): Seen => ({ word: what, token: null, attempt: null, body: null });
  switch (step.do) {
    case 'claim': {
      const lives = { lease: 1, retain: 1, unknownRetain: 1 };
      const { owner, state } = step;
      return claimSeen(await store.claim(recordKey, requestOf(HOUR_MS, { ...lives, owner, state })));
    }
    case 'dispatch':
      return word(await store.dispatch({ recordKey, ...step }));
    case 'renew':
      return word(await store.renew({ recordKey, ...step }, HOUR_MS));
    case 'release':
      return word(await store.release({ recordKey, ...step }, null));
    case 'park':
      return word(await store.park({ recordKey, ...step }, 'parked'));
    case 'complete':
      return word(await store.complete({ recordKey, ...step }, withBody(step.body), HOUR_MS));
    case 'releaseOwner':
      return word(await store.releaseOwner(recordKey, step.owner));
    case 'resolve':
      return word(
        await store.resolve(
          recordKey,
          step.token,
          step.to === 'completed'
            ? { kind: 'completed', response: withBody(step.body), retainMs: HOUR_MS }
            : { kind: 'released', quietMs: 0 },
        ),
      );
    case 'forget':
      return word(await store.forget(recordKey, step.how));
    case 'inspect':
      return viewSeen(await store.inspect(recordKey));
    default:
      return unreachable(step);
  }
}

function withBody(body: string): StoredResponse {
  return { ...FULL, body: Buffer.from(body) };
}

function bodyOf(response: StoredResponse | null): string | null {
  return response?.kind === 'full' ? Buffer.from(response.body).toString() : null;
}

function claimSeen(result: ClaimResult): Seen {
  const { token } = result;
  return {
    word: result.kind,
    token,
    attempt: result.kind === 'claimed' ? result.attempt : null,
    body: result.kind === 'completed' ? bodyOf(result.response) : null,
  };
}

function viewSeen(view: RecordView | null): Seen {
  if (view === null) return { word: 'absent', token: null, attempt: null, body: null };
  return { word: view.state, token: view.token, attempt: null, body: bodyOf(view.response) };
}
