import { randomBytes } from 'node:crypto';
import type { Client } from 'pg';
import { Refused } from './unavailable.ts';

/**
 * Finds a pooler between that gives a session to somebody else after every transaction or statement: it breaks LISTEN,
 * named statements and the time limits of the session. Two connections tell: what one listens for must reach it from
 * the other, and what one sets for its session must not show in the other's.
 */

const MARK = 'onceward.session';

/**
 * `one` and `other`: connected, idle, of the same address.
 * @throws Refused where a session is not kept
 */
export async function refuseSharedSessions(one: Client, other: Client, waitMs: number): Promise<void> {
  const word = randomBytes(8).toString('hex');
  const channel = `onceward_${word}`;
  const heard = hears(one, waitMs);
  await one.query(`LISTEN ${channel}`);
  await one.query('SELECT set_config($1, $2, false)', [MARK, word]);
  await other.query('SELECT pg_notify($1, $2)', [channel, word]);
  const { rows } = await other.query<{ mark: string | null }>('SELECT current_setting($1, true) AS mark', [
    MARK,
  ]);
  const shared = rows[0]?.mark === word;
  if (shared || (await heard) === 'nothing') {
    throw new Refused(
      `a pooler in transaction or statement mode stands between (${shared ? 'two connections share a session' : `a NOTIFY did not come back within ${waitMs} ms`}): let it pool by session, or name the server itself in store.url`,
    );
  }
  await one.query(`UNLISTEN ${channel}`);
}

function hears(client: Client, waitMs: number): Promise<'notification' | 'nothing'> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, waitMs, 'nothing').unref();
    client.once('notification', () => {
      clearTimeout(timer);
      resolve('notification');
    });
  });
}
