/** What is asked of the model in test/model/onceward.pml: one entry a run of the checker. Data only. */

/** A promise and the bit that asserts it. The name is the flag of the model, as the checker prints it. */
export const PROMISES = {
  twoDispatches: { bit: 1, text: 'at most one dispatch an epoch, unless the one before is proven void' },
  twoEffects: { bit: 2, text: 'the backend executes at most once an epoch' },
  staleWrite: { bit: 4, text: 'a write with an old token or of another owner changes nothing' },
  grantedAgain: { bit: 8, text: 'a dispatched claim never becomes absent: its key is not granted again' },
  otherReplay: {
    bit: 16,
    text: 'every repeat gets the first response kept, the one that the executing client saw',
  },
  falselyNotExecuted: {
    bit: 32,
    text: '"not executed" is never said of a grant that was dispatched, nor of one that will be',
  },
} as const satisfies Readonly<Record<string, { readonly bit: number; readonly text: string }>>;

export type PromiseName = keyof typeof PROMISES;

/** The way to the store: sound, lossy (calls and replies are lost), late (calls given up may still arrive). */
export type Network = 'sound' | 'lossy' | 'late';

export type ModelRun = {
  readonly name: string;
  readonly defines: readonly string[];
  readonly requests: 2 | 3;
  readonly network: Network;
  readonly expect: Expectation;
};

export type Expectation =
  /** Every promise over the whole space. `everyStep`: and no step of the model was left untried. */
  | { readonly kind: 'holds'; readonly coverage: 'everyStep' | 'any' }
  /** This promise, asserted alone, is broken. */
  | { readonly kind: 'breaks'; readonly promise: PromiseName };

const HOLDS: readonly ModelRun[] = [
  {
    name: 'two requests, calls lost and late',
    defines: [],
    requests: 2,
    network: 'late',
    expect: { kind: 'holds', coverage: 'everyStep' },
  },
  {
    name: 'three requests, the way to the store sound',
    defines: [],
    requests: 3,
    network: 'sound',
    expect: { kind: 'holds', coverage: 'any' },
  },
  {
    name: 'stall before the first byte, nobody re-opens',
    defines: ['STALL_BEFORE_FIRST_BYTE', 'NOBODY_REOPENS'],
    requests: 2,
    network: 'late',
    expect: { kind: 'holds', coverage: 'any' },
  },
  {
    name: 'stall before the first byte, backend checks the token',
    defines: ['STALL_BEFORE_FIRST_BYTE', 'BACKEND_CHECKS_TOKEN'],
    requests: 2,
    network: 'late',
    expect: { kind: 'holds', coverage: 'any' },
  },
];

/** The documented exception, and what does not close it. */
const EXCEPTIONS: readonly ModelRun[] = [
  broken('stall before the first byte', ['STALL_BEFORE_FIRST_BYTE'], 'twoEffects'),
  broken(
    'stall before the first byte, backend checks the token, the probe leaves no trace there',
    ['STALL_BEFORE_FIRST_BYTE', 'BACKEND_CHECKS_TOKEN', 'QUESTION_LEAVES_NO_TRACE'],
    'twoEffects',
  ),
  broken('a verdict resolves a record that has changed since', ['STALE_VERDICT'], 'twoEffects'),
];

const VARIANTS: readonly ModelRun[] = [
  broken('steal after expiry', ['STEAL_AFTER_EXPIRY'], 'twoDispatches'),
  broken('unfenced complete', ['UNFENCED_COMPLETE'], 'staleWrite'),
  broken('unfenced complete, seen by a client', ['UNFENCED_COMPLETE'], 'otherReplay'),
  broken('unfenced release', ['UNFENCED_RELEASE'], 'staleWrite'),
  {
    ...broken('unfenced release, seen by the backend', ['UNFENCED_RELEASE'], 'twoDispatches'),
    requests: 3,
    network: 'sound',
  },
  broken('store loses an acknowledged claim', ['STORE_LOSES_WRITE'], 'grantedAgain'),
  broken('store loses …, seen by the backend', ['STORE_LOSES_WRITE'], 'twoEffects'),
  broken('release after dispatch', ['RELEASE_AFTER_DISPATCH'], 'twoEffects'),
  broken('release after dispatch, seen by a client', ['RELEASE_AFTER_DISPATCH'], 'falselyNotExecuted'),
  broken('no look at the lease', ['NO_LEASE_CHECK'], 'twoDispatches'),
  broken('re-open while the exchange is open', ['REOPEN_WHILE_OPEN'], 'twoEffects'),
];

/** Longest first: two run side by side. */
export const RUNS: readonly ModelRun[] = [...HOLDS, ...EXCEPTIONS, ...VARIANTS];

function broken(name: string, defines: readonly string[], promise: PromiseName): ModelRun {
  return { name, defines, requests: 2, network: 'lossy', expect: { kind: 'breaks', promise } };
}
