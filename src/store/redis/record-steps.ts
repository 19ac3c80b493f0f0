import type { RecordKey } from '../../core/record.ts';
import { encodeResponse } from '../codec.ts';
import type { Resolution, Store } from '../contract.ts';
import { readClaimReply, readForgetReply, readWriteReply } from './reply.ts';
import type { ScriptArgument } from './script-runner.ts';
import type { ScriptName } from './scripts.ts';

export type RunStep = (
  name: ScriptName,
  recordKey: RecordKey,
  ...arguments_: readonly ScriptArgument[]
) => Promise<unknown>;

/** Life of what remains of a released record: its token, and what joiners want to know. */
const TOMBSTONE_MS = 3_600_000;

/** The steps of a record, one script each; arguments in the order of the script's header. */
export function createRecordSteps(
  run: RunStep,
  channel: string,
): Omit<Store, 'kind' | 'cells' | 'inspect' | 'list' | 'settled' | 'sweep' | 'stats' | 'ping' | 'close'> {
  return {
    async claim(key, { owner, fingerprint, policyId, leaseMs, unknownRetainMs, state, note }) {
      const noted = note === null ? '' : Buffer.from(note.buffer, note.byteOffset, note.byteLength);
      return readClaimReply(
        await run('claim', key, owner, fingerprint, policyId, leaseMs, unknownRetainMs, state, noted),
      );
    },
    async dispatch({ recordKey: key, token, owner }) {
      return readWriteReply(await run('dispatch', key, token, owner));
    },
    async renew({ recordKey: key, token, owner }, leaseMs) {
      return readWriteReply(await run('renew', key, token, owner, leaseMs));
    },
    async complete({ recordKey: key, token, owner }, response, retainMs) {
      const bytes = encodeResponse(response);
      return readWriteReply(await run('complete', key, token, owner, retainMs, bytes, channel, key));
    },
    async release({ recordKey: key, token, owner }, retryAfterMs) {
      const after = retryAfterMs ?? '';
      return readWriteReply(await run('release', key, token, owner, TOMBSTONE_MS, after, channel, key));
    },
    async releaseOwner(key, owner) {
      return readWriteReply(await run('release-owner', key, owner, TOMBSTONE_MS, channel, key));
    },
    async park({ recordKey: key, token, owner }, reason) {
      return readWriteReply(await run('park', key, token, owner, reason, channel, key));
    },
    async resolve(key, token, to) {
      return readWriteReply(await run('resolve', key, token, ...resolution(to), channel, key, quietMs(to)));
    },
    async reseal(key, token, response) {
      return readWriteReply(await run('reseal', key, token, encodeResponse(response)));
    },
    async forget(key, how) {
      return readForgetReply(await run('forget', key, how));
    },
  };
}

function quietMs(to: Resolution): number {
  return to.kind === 'released' ? to.quietMs : 0;
}

function resolution(to: Resolution): readonly [state: string, lifeMs: number, response: Buffer | string] {
  return to.kind === 'completed'
    ? ['completed', to.retainMs, encodeResponse(to.response)]
    : [to.kind, TOMBSTONE_MS, ''];
}
