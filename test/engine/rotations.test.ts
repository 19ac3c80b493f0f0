import { expect, it } from 'vitest';
import { createRotations } from '../../src/engine/rotations.ts';

const ALICE = Buffer.from('alice');
const BOB = Buffer.from('bob');

it('notices that another caller has the same request under the same key', () => {
  const rotations = createRotations();

  expect([
    rotations.note('pay', 'k1', 'digest', ALICE),
    rotations.note('pay', 'k1', 'digest', Buffer.from(ALICE)),
    rotations.note('pay', 'k1', 'digest', BOB),
    rotations.note('pay', 'k1', 'digest', BOB),
  ]).toEqual(['as-before', 'as-before', 'rotated', 'as-before']);
});

it.each([
  ['keyspace', ['refund', 'k1', 'digest']],
  ['key', ['pay', 'k2', 'digest']],
  ['content', ['pay', 'k1', 'other digest']],
] as const)('does not take a request with another %s for the same', (_what, [keyspace, key, digest]) => {
  const rotations = createRotations();
  rotations.note('pay', 'k1', 'digest', ALICE);

  expect(rotations.note(keyspace, key, digest, BOB)).toBe('as-before');
});

it('forgets the oldest once there are too many, and tells long keys apart by their digest', () => {
  const rotations = createRotations(2);
  const long = 'k'.repeat(4096);
  rotations.note('pay', 'k1', 'digest', ALICE);
  rotations.note('pay', long, 'digest', ALICE);
  rotations.note('pay', 'k3', 'digest', ALICE);

  expect([
    rotations.note('pay', `${long.slice(1)}x`, 'digest', BOB),
    rotations.note('pay', 'k3', 'digest', BOB),
    rotations.note('pay', 'k1', 'digest', BOB),
  ]).toEqual(['as-before', 'rotated', 'as-before']);
});
