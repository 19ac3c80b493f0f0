-- Purpose: how many records there are and how much room they take.
-- Guarantee: reads a bounded number of rows; above it the server's own estimate is given.
-- $1 rows to count
-- Returns: records, expired ones included, or null where the server has no estimate; bytes with indexes

WITH counted AS MATERIALIZED (
  SELECT count(*) AS rows FROM (SELECT FROM onceward.record LIMIT $1::integer + 1) bounded
)
SELECT
  CASE
    WHEN counted.rows <= $1::integer THEN counted.rows
    WHEN relation.reltuples > 0 THEN relation.reltuples::bigint
  END,
  pg_total_relation_size(relation.oid)
FROM counted, pg_class relation
WHERE relation.oid = 'onceward.record'::regclass
