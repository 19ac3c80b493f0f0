-- Purpose: asks again what the server promises, while the store runs.
-- Guarantee: writes nothing. Of synchronous_commit it tells what new sessions get: ours keep what they began with.
-- Returns: version number, in recovery, read only, synchronous_commit, synchronous standbys, fsync, full_page_writes,
--   number of standbys that are attached

SELECT
  current_setting('server_version_num')::integer,
  pg_is_in_recovery(),
  current_setting('transaction_read_only'),
  (SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'),
  current_setting('synchronous_standby_names'),
  current_setting('fsync'),
  current_setting('full_page_writes'),
  (SELECT count(*)::integer FROM pg_stat_replication)
