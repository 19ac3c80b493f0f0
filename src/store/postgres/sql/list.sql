-- Purpose: a page of records, in the order of their keys.
-- Guarantee: reads only, and a bounded number of rows, however few of them fit.
-- $1 the record key after which the page begins
-- $2 state wanted, or null for all
-- $3 records wanted
-- $4 rows to look at
-- Returns: as inspect without the response, first the key of the last row that was looked at and how many were; where
--   none fits, one row with a null record

WITH clock AS MATERIALIZED (
  SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
), page AS MATERIALIZED (
  SELECT
    r.record_key, r.token, r.fingerprint, r.policy_id, r.state AS written, r.reason, r.retry_after_ms,
    r.lease_until_us, r.unknown_since_us, r.expires_at_us, r.note,
    r.state = 'dispatched' AND r.lease_until_us <= c.now_us AS lapsed,
    CASE WHEN r.state = 'dispatched' AND r.lease_until_us <= c.now_us THEN 'unknown' ELSE r.state END AS state
  FROM onceward.record r, clock c
  WHERE r.record_key > $1
  ORDER BY r.record_key
  LIMIT $4::integer
), looked_at AS (
  SELECT max(record_key) AS last_key, count(*)::integer AS rows FROM page
)
SELECT
  looked_at.last_key, looked_at.rows,
  fitting.record_key, fitting.state, fitting.token, fitting.fingerprint, fitting.policy_id,
  CASE WHEN fitting.state IN ('claimed', 'dispatched')
    THEN (greatest(0, fitting.lease_until_us - c.now_us) + 999) / 1000 ELSE 0 END,
  (fitting.expires_at_us - c.now_us + 999) / 1000,
  CASE WHEN fitting.lapsed THEN 'lease-lapsed' WHEN fitting.state = 'unknown' THEN fitting.reason ELSE '' END,
  CASE
    WHEN fitting.lapsed THEN (c.now_us - fitting.lease_until_us + 999) / 1000
    WHEN fitting.state = 'unknown' THEN (greatest(0, c.now_us - fitting.unknown_since_us) + 999) / 1000
    ELSE 0
  END,
  CASE WHEN fitting.state = 'released' THEN fitting.retry_after_ms END,
  CASE WHEN fitting.state IN ('claimed', 'dispatched', 'unknown') THEN fitting.note END
FROM looked_at CROSS JOIN clock c
LEFT JOIN LATERAL (
  SELECT * FROM page
  WHERE page.expires_at_us > c.now_us AND ($2::text IS NULL OR page.state = $2::text)
  ORDER BY page.record_key
  LIMIT $3::integer
) fitting ON true
ORDER BY fitting.record_key
