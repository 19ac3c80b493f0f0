import { expect, it } from 'vitest';
import { claim } from '../../src/engine/claim.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { contextWith } from './context.ts';

const OLD = 'under the old secret';
const NEW = 'under the new secret';

/** The record keys of one key at a replica, current secret first. */
type Replica = readonly string[];

async function claimedAt(first: Replica, second: Replica): Promise<string> {
  const store = createMemoryStore({ clock: { nowMs: () => 1000 }, bytesMax: 1e6 });
  let owners = 0;
  const context = contextWith({
    store,
    monotonicMs: () => 0,
    newOwner: () => String(++owners).padStart(32, '0'),
  });
  const claimOf = async (replica: Replica): Promise<string> => {
    const claimed = await claim(context, replica, 'digest', Buffer.alloc(0));
    return claimed.kind === 'answered' ? claimed.result.kind : claimed.kind;
  };
  expect(await claimOf(first)).toBe('claimed');
  return await claimOf(second);
}

// The order of docs/operations.md; the last case is why.
it.each<[string, Replica, Replica, string]>([
  ['the new one behind the old one', [OLD, NEW], [OLD], 'inFlight'],
  ['the old one alone', [OLD], [OLD, NEW], 'inFlight'],
  ['the new one first', [NEW, OLD], [OLD, NEW], 'inFlight'],
  ['the new one behind', [OLD, NEW], [NEW, OLD], 'inFlight'],
  ['the new one alone', [NEW], [NEW, OLD], 'inFlight'],
  ['the new one first, while the other has only the old one', [NEW, OLD], [OLD], 'claimed'],
])('a repeat of what a replica with %s has claimed: %j, then %j: %s', async (_what, first, second, kind) => {
  expect(await claimedAt(first, second)).toBe(kind);
});
