-- Purpose: the record as it stands.
-- Guarantee: reads only. A dispatched record whose lease lapsed reads as unknown since the end of its lease, an expired
--   one as absent.
-- $1 record key
-- $2 with-response | without-response
-- Returns: record key, state, token, fingerprint, policy id, lease left in ms, expires in ms, reason, unknown for ms,
--   when to try again in ms or null, note or null, response or null; no row when absent

WITH clock AS MATERIALIZED (
  SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
), record AS (
  SELECT r.*, c.now_us, r.state = 'dispatched' AND r.lease_until_us <= c.now_us AS lapsed
  FROM onceward.record r, clock c
  WHERE r.record_key = $1 AND r.expires_at_us > c.now_us
)
SELECT
  record_key,
  CASE WHEN lapsed THEN 'unknown' ELSE state END,
  token, fingerprint, policy_id,
  CASE
    -- A lease that has not begun yet: the clock has gone back, and the next claim begins it anew.
    WHEN state IN ('claimed', 'dispatched')
      THEN (greatest(0, lease_until_us - greatest(now_us, claimed_at_us)) + 999) / 1000
    ELSE 0
  END,
  (expires_at_us - now_us + 999) / 1000,
  CASE WHEN lapsed THEN 'lease-lapsed' WHEN state = 'unknown' THEN reason ELSE '' END,
  CASE
    WHEN lapsed THEN (now_us - lease_until_us + 999) / 1000
    WHEN state = 'unknown' THEN (greatest(0, now_us - unknown_since_us) + 999) / 1000
    ELSE 0
  END,
  CASE WHEN state = 'released' THEN retry_after_ms END,
  CASE WHEN state IN ('claimed', 'dispatched', 'unknown') THEN note END,
  CASE WHEN state = 'completed' AND $2 = 'with-response' THEN response END
FROM record
