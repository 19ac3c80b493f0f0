import type { RecordHead } from '../../core/standing.ts';

/**
 * When to look whether a record has expired. The time of an index entry is not the expiry but near it: moving the
 * entry with every write would cost as much as the write. It stands a little behind the expiry of a claim that is
 * completed soon, so that the usual life of a record writes it once.
 */

const SLACK_MS_MAX = 60_000;
const SLACK_PART = 0.1;

function slackMs(lifeMs: number): number {
  return Math.min(SLACK_MS_MAX, lifeMs * SLACK_PART);
}

/** For a claim granted now: its completion is expected within the slack. */
export function firstLookMs(nowMs: number, retainMs: number): number {
  return nowMs + retainMs + slackMs(retainMs);
}

/** The time at which to look at a record with this head: as indexed, unless the record ends well before. */
export function nextLookMs(head: RecordHead, indexedAtMs: number, nowMs: number): number {
  const lifeMs = head.expiresAtMs - nowMs;
  return head.expiresAtMs < indexedAtMs - slackMs(lifeMs) ? head.expiresAtMs : indexedAtMs;
}
