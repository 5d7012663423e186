-- Processes that died of a lead which was found: other tenants' lanes need not look for one because of them.
-- depends: 0025_notifier

-- migrate: apply

alter table process add column explained_at timestamptz;
comment on table process is 'The processes that route leads, of all tenants (tenant_id 0). beat_at = its last sign of life; ended_at = it stopped as it should; died_at = others found it dead: its process is gone from its host, or it has given no sign of life for too long. explained_at = a lead was parked then over which it had died. host_ahead_s = by how many seconds the clock of its host is ahead of the database''s; clock_disputed = it cannot tell which of the two is right, and routes nothing. version = of the program.';

-- migrate: rollback

alter table process drop column explained_at;
comment on table process is 'The processes that route leads, of all tenants (tenant_id 0). beat_at = its last sign of life; ended_at = it stopped as it should; died_at = others found it dead: its process is gone from its host, or it has given no sign of life for too long. host_ahead_s = by how many seconds the clock of its host is ahead of the database''s; clock_disputed = it cannot tell which of the two is right, and routes nothing. version = of the program.';
