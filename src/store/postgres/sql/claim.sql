-- Purpose: grants the key to an owner, or says what stands in the way.
-- Guarantee: one grant at a time; a dispatched record is never granted again, a completed one never changed; the token
--   grows with every grant: max(last + 1, time in µs). The owner that holds the claim already is granted it again with
--   the same token, and its lease starts anew, because the caller counts the lease from its last sending. What stands
--   in the way is only read: a replay writes nothing.
-- $1 record key
-- $2 owner
-- $3 fingerprint
-- $4 policy id
-- $5 lease in ms
-- $6 life of an unsettled record after its lease in ms
-- $7 state to write: claimed | dispatched
-- $8 life of a completed record in ms, the earliest the sweep needs to look
-- $9 note, or null
-- Returns: kind, token, attempt, fingerprint, policy id, ms, reason, response
--   claimed, token, attempt
--   inFlight, with the lease left in ms
--   completed, with the response
--   unknown, with the reason and for how many ms
--   no row: another statement wrote the record between this one's view and its write; to be asked again

WITH clock AS MATERIALIZED (
  SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
), seen AS MATERIALIZED (
  SELECT
    CASE
      WHEN r.state = 'completed' THEN 'completed'
      WHEN r.state = 'unknown' OR r.lease_until_us <= c.now_us THEN 'unknown'
      ELSE 'inFlight'
    END AS kind,
    r.token, r.attempt, r.fingerprint, r.policy_id,
    CASE
      WHEN r.state = 'unknown' THEN greatest(0, c.now_us - r.unknown_since_us)
      WHEN r.lease_until_us <= c.now_us THEN c.now_us - r.lease_until_us
      ELSE r.lease_until_us - greatest(c.now_us, r.claimed_at_us)
    END AS span_us,
    CASE WHEN r.state = 'unknown' THEN r.reason ELSE 'lease-lapsed' END AS reason,
    CASE WHEN r.state = 'completed' THEN r.response END AS response
  FROM onceward.record r, clock c
  WHERE r.record_key = $1 AND r.expires_at_us > c.now_us
    AND (r.state IN ('completed', 'unknown')
      OR (r.state = 'dispatched' AND r.lease_until_us <= c.now_us)
      OR (r.state IN ('claimed', 'dispatched') AND r.lease_until_us > c.now_us AND r.owner <> $2))
), begun_anew AS (
  -- A lease that has not begun yet: the clock has gone back. Without its holder, who would renew it, it would stand
  -- until the clock has caught up.
  UPDATE onceward.record r
  SET claimed_at_us = c.now_us, lease_until_us = c.now_us + r.lease_until_us - r.claimed_at_us
  FROM clock c
  WHERE r.record_key = $1 AND r.claimed_at_us > c.now_us AND r.state IN ('claimed', 'dispatched')
    AND r.owner <> $2 AND r.expires_at_us > c.now_us
), resent AS (
  UPDATE onceward.record r
  SET state = CASE WHEN r.state = 'dispatched' THEN r.state ELSE $7 END,
    claimed_at_us = c.now_us,
    lease_until_us = c.now_us + ($5::float8 * 1000)::bigint,
    expires_at_us = c.now_us + ($5::float8 * 1000)::bigint + r.unknown_retain_us
  FROM clock c
  WHERE r.record_key = $1 AND r.owner = $2 AND r.state IN ('claimed', 'dispatched')
    AND r.lease_until_us > c.now_us AND r.expires_at_us > c.now_us
  RETURNING r.token, r.attempt
), granted AS (
  INSERT INTO onceward.record AS r (
    record_key, state, token, owner, attempt, fingerprint, policy_id, claimed_at_us, lease_until_us,
    unknown_retain_us, expires_at_us, sweep_at_us, note
  )
  SELECT
    $1, $7, greatest(i.token_floor + 1, c.now_us), $2, 1, $3, $4, c.now_us, c.now_us + ($5::float8 * 1000)::bigint,
    ($6::float8 * 1000)::bigint, c.now_us + (($5::float8 + $6::float8) * 1000)::bigint,
    c.now_us + ($8::float8 * 1000)::bigint, $9::bytea
  FROM clock c, onceward.identity i
  WHERE NOT EXISTS (SELECT FROM seen) AND NOT EXISTS (SELECT FROM resent)
  ON CONFLICT (record_key) DO UPDATE
  SET state = excluded.state,
    token = greatest(r.token + 1, excluded.token),
    owner = excluded.owner,
    attempt = CASE WHEN r.expires_at_us <= excluded.claimed_at_us THEN 1 ELSE r.attempt + 1 END,
    fingerprint = excluded.fingerprint,
    policy_id = excluded.policy_id,
    claimed_at_us = excluded.claimed_at_us,
    lease_until_us = excluded.lease_until_us,
    unknown_retain_us = excluded.unknown_retain_us,
    unknown_since_us = 0,
    reason = '',
    retry_after_ms = NULL,
    expires_at_us = excluded.expires_at_us,
    sweep_at_us = excluded.sweep_at_us,
    -- Who waited for a claim that lapsed waits for the next one: no settlement has woken it.
    awaited = r.awaited AND r.state = 'claimed',
    response = NULL,
    note = excluded.note
  -- Judged on the newest version of the row, after any wait for its lock.
  WHERE r.expires_at_us <= excluded.claimed_at_us OR r.state = 'released'
    OR (r.state = 'claimed' AND r.lease_until_us <= excluded.claimed_at_us)
  RETURNING r.token, r.attempt
)
SELECT kind, token, attempt, fingerprint, policy_id, (span_us + 999) / 1000, reason, response FROM seen
UNION ALL
SELECT 'claimed', token, attempt, NULL, NULL, NULL, NULL, NULL FROM resent
UNION ALL
SELECT 'claimed', token, attempt, NULL, NULL, NULL, NULL, NULL FROM granted
