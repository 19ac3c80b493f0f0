import type { StoredResponse } from '../../../src/core/record.ts';
import type { RecordHead } from '../../../src/core/standing.ts';
import type { TaskPolicy } from '../../../src/core/task.ts';
import { SOUND_STEPS } from './store-server.ts';
import type { Broken } from './world.ts';

const TASK: TaskPolicy = {
  respond: 'always',
  onRepeat: 'state',
  afterCompletion: 'replay',
  waitMs: 500,
  waitersMax: 3,
  timeoutMs: 2_500,
  retryAfterMs: 1_000,
};

/**
 * Parts that are broken on purpose, each in the way that somebody could break it: the simulator has to find every one
 * within a few thousand histories, or its silence says nothing.
 */
export const BROKEN: readonly Broken[] = [
  {
    name: 'complete without a fence',
    steps: {
      completeStep: (record, claim, retainMs, time) =>
        record === null
          ? { kind: 'lost' }
          : SOUND_STEPS.completeStep(unfenced(record), heldBy(record, claim.recordKey), retainMs, time),
    },
    // Somebody must be let in while the former holder still has an answer to bring.
    policy: { onUnknown: 'retry', quietMs: 100, leaseMs: 1_000, dispatchMark: 'together' },
  },
  {
    name: 'release without a fence',
    steps: {
      releaseStep: (record, claim, afterMs, time) =>
        record === null
          ? { kind: 'lost' }
          : SOUND_STEPS.releaseStep(record, heldBy(record, claim.recordKey), afterMs, time),
    },
    policy: { onUnknown: 'retry', quietMs: 100, leaseMs: 1_000 },
  },
  {
    name: 'release by owner that does not look at the owner',
    steps: {
      releaseOwnerStep: (record, _owner, time) =>
        SOUND_STEPS.releaseOwnerStep(record, record?.owner ?? '', time),
    },
  },
  {
    name: 'a dispatched claim is stolen once its lease is over',
    steps: {
      claimStep: (record, request, time, lastToken) => {
        const lapsed = record?.state === 'dispatched' && record.leaseEndMs <= time.nowMs;
        const seen = lapsed ? ({ ...record, state: 'claimed' } as RecordHead) : record;
        return SOUND_STEPS.claimStep(seen, request, time, lastToken);
      },
    },
  },
  {
    name: 'every claim is granted to whoever asks',
    steps: {
      claimStep: (record, request, time, lastToken) =>
        SOUND_STEPS.claimStep(record?.state === 'completed' ? record : null, request, time, lastToken),
    },
  },
  {
    name: 'a token that does not grow',
    steps: {
      claimStep: (record, request, time, lastToken) => {
        const step = SOUND_STEPS.claimStep(record, request, time, lastToken);
        if (step.kind !== 'grant') return step;
        return { ...step, record: { ...step.record, token: 1 }, result: { ...step.result, token: 1 } };
      },
    },
  },
  {
    name: 'what failed after dispatch is released',
    store: (link) => ({ ...link, park: (claim) => link.release(claim, null) }),
  },
  {
    name: 'the last look at the lease does not count',
    lastLook: 'ignored',
  },
  {
    name: 'a joiner takes over the claim it waits for',
    store: (link) => ({
      ...link,
      claim: async (recordKey, request) => {
        const result = await link.claim(recordKey, request);
        return result.kind === 'inFlight' ? { kind: 'claimed', token: result.token, attempt: 2 } : result;
      },
    }),
  },
  {
    name: 'a replay takes the response of the replay before it',
    store: (link) => {
      let last: StoredResponse | null = null;
      return {
        ...link,
        claim: async (recordKey, request) => {
          const result = await link.claim(recordKey, request);
          if (result.kind !== 'completed') return result;
          const mixedUp = last ?? result.response;
          last = result.response;
          return { ...result, response: mixedUp };
        },
      };
    },
  },
  {
    name: 'a settlement is waited for without an end',
    engine: (engine) => ({
      ...engine,
      settler: {
        ...engine.settler,
        settle: ({ write }) => write().catch(() => new Promise(() => undefined)),
      },
    }),
  },
  {
    name: 'a joiner is never counted out',
    engine: (engine) => ({ ...engine, waiters: { ...engine.waiters, leave: () => undefined } }),
    policy: { inFlight: { kind: 'join', waitMs: 1_000, waitersMax: 3 } },
  },
  {
    name: 'a failed task is started anew without a fence',
    steps: {
      resolveStep: (record, token, to, time) =>
        SOUND_STEPS.resolveStep(record, to.kind === 'restarted' ? (record?.token ?? token) : token, to, time),
    },
    policy: { task: { ...TASK, afterCompletion: 'restart-failed' } },
  },
  {
    name: 'an execution in the background is never counted out',
    engine: (engine) => ({ ...engine, tasks: { ...engine.tasks, leave: () => undefined } }),
    policy: { task: TASK },
  },
];

function heldBy(record: RecordHead, recordKey: string) {
  return { recordKey, owner: record.owner, token: record.token };
}

/** As if it were still in flight: what stands there is overwritten. */
function unfenced(record: RecordHead): RecordHead {
  return { ...record, state: 'dispatched' };
}
