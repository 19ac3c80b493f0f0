-- Purpose: makes a new connection ours, and asks what the server promises.
-- Guarantee: the server gives up a statement that the caller has given up; each statement sees what was committed
--   before it; no plan reads a whole table, also not one that was made while the table was small.
-- $1 time limit of a statement in ms
-- $2 time limit of a wait for a lock in ms
-- Returns: version number, in recovery, read only, synchronous_commit, synchronous standbys, fsync, full_page_writes,
--   number of standbys that are attached

SELECT
  current_setting('server_version_num')::integer,
  pg_is_in_recovery(),
  current_setting('transaction_read_only'),
  current_setting('synchronous_commit'),
  current_setting('synchronous_standby_names'),
  current_setting('fsync'),
  current_setting('full_page_writes'),
  (SELECT count(*)::integer FROM pg_stat_replication),
  -- Kept as it was judged: a reload does not change it under us.
  set_config('synchronous_commit', current_setting('synchronous_commit'), false),
  set_config('statement_timeout', $1, false),
  set_config('lock_timeout', $2, false),
  set_config('default_transaction_isolation', 'read committed', false),
  set_config('client_min_messages', 'warning', false),
  set_config('enable_seqscan', 'off', false),
  set_config('jit', 'off', false)
