-- Purpose: the cells: small values that are only ever replaced by who has seen them.
-- Guarantee: a table of its own; the version before goes on as it was, and knows nothing of it.

CREATE TABLE onceward.cell (
  cell_key text COLLATE "C" PRIMARY KEY,
  version bigint NOT NULL,
  value bytea NOT NULL,
  -- All times are the server's, in microseconds since 1970.
  written_at_us bigint NOT NULL,
  expires_at_us bigint NOT NULL,
  -- When the sweep looks at the cell; apart from the expiry, as in onceward.record.
  sweep_at_us bigint NOT NULL
)
-- Written over and over: room on the page for the next version.
WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE INDEX cell_sweep ON onceward.cell (sweep_at_us);
