import type { Moment } from './stall-course.ts';
import type { RedisMoment } from './stall-relay.ts';

/** The moments at which a holder is stopped, and what must become of its key. */

/** Where a repeat executes an unknown key again: the operator's `onUnknown: retry`. */
export const REOPENING_PATH = '/reopening';

export type RelayedMoment = Moment & { readonly at: RedisMoment; readonly mark: 'together' | 'separate' };

/** What must hold of a key that nobody has dispatched, and that another may take. */
const TAKEN = { path: '/charges', meanwhile: 'taken', executionsAtWake: 1, executionsMax: 1 } as const;
const UNKNOWN = { path: '/charges', meanwhile: 'unknown', executionsAtWake: 0, executionsMax: 1 } as const;
/** The holder that wakes is one too many: what it dispatches now is a second execution. */
const REOPENED = {
  path: REOPENING_PATH,
  meanwhile: 're-opened',
  executionsAtWake: 1,
  executionsMax: 1,
} as const;
const EXECUTED = { ...UNKNOWN, executionsAtWake: 1 } as const;
/** The operator's word makes two of it; the late answer must not take the place of the second. */
const EXECUTED_AND_REOPENED = { ...REOPENED, executionsAtWake: 2, executionsMax: 2 } as const;

/** Over Redis a relay keeps what is on its way: the moment is exact. */
export const RELAYED: readonly RelayedMoment[] = [
  {
    words: 'between claim and dispatch mark',
    at: { script: 'claim', way: 'back' },
    mark: 'separate',
    ...TAKEN,
  },
  {
    words: 'with the dispatch mark on its way, which comes when another has taken the key',
    at: { script: 'dispatch', way: 'there' },
    mark: 'separate',
    ...TAKEN,
  },
  {
    words: 'after the dispatch mark, before the first byte, re-opened',
    at: { script: 'dispatch', way: 'back' },
    mark: 'separate',
    ...REOPENED,
  },
  {
    words: 'after claim and mark in one, before the first byte',
    at: { script: 'claim', way: 'back' },
    mark: 'together',
    ...UNKNOWN,
  },
  {
    words: 'after the answer, with the complete on its way',
    at: { script: 'complete', way: 'there' },
    mark: 'together',
    ...EXECUTED,
  },
];

/** By what the backend does: on every store, and all of one holder at once. */
const BEFORE_FIRST_BYTE = 'before the first byte, waiting for a connection';
export const WAITING: Moment = { words: BEFORE_FIRST_BYTE, ...UNKNOWN };
export const WAITING_REOPENED: Moment = { words: `${BEFORE_FIRST_BYTE}, re-opened`, ...REOPENED };
const BEFORE_WRITE = 'after the backend answered, before the store write';
export const ANSWERED: Moment = { words: BEFORE_WRITE, ...EXECUTED };
export const ANSWERED_REOPENED: Moment = { words: `${BEFORE_WRITE}, re-opened`, ...EXECUTED_AND_REOPENED };
