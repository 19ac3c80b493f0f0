-- Purpose: notes that a joiner waits, so that the settlement notifies.
-- Guarantee: in-flight is said only when the settlement will notify; a record noted already is not written again.
-- $1 record key
-- Returns: in-flight | settled, which also stands for absent and for a record that somebody just wrote

WITH clock AS MATERIALIZED (
  SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
), noted AS (
  UPDATE onceward.record r
  SET awaited = true
  FROM clock c
  WHERE r.record_key = $1 AND NOT r.awaited AND r.state IN ('claimed', 'dispatched')
    AND r.lease_until_us > c.now_us AND r.expires_at_us > c.now_us
  RETURNING 1
)
SELECT CASE
  WHEN EXISTS (SELECT FROM noted) OR EXISTS (
    SELECT FROM onceward.record r, clock c
    WHERE r.record_key = $1 AND r.awaited AND r.state IN ('claimed', 'dispatched')
      AND r.lease_until_us > c.now_us AND r.expires_at_us > c.now_us
  ) THEN 'in-flight'
  ELSE 'settled'
END
