-- A clock that was wrong: noticed by comparing three of them, and put right in what was counted by it.
-- depends: 0007_processes

-- migrate: apply

alter table process
    add column host_ahead_s double precision,
    add column clock_disputed boolean not null default false,
    add column version text not null default '';
comment on table process is 'The processes that route leads, of all tenants (tenant_id 0). beat_at = its last sign of life; ended_at = it stopped as it should; died_at = others found it dead: its process is gone from its host, or it has given no sign of life for too long. host_ahead_s = by how many seconds the clock of its host is ahead of the database''s; clock_disputed = it cannot tell which of the two is right, and routes nothing. version = of the program.';

alter table lane
    add column latest_at timestamptz not null default '-infinity',
    add column clock_confirmed_until timestamptz;
update lane set latest_at = last_at;
comment on table lane is 'The right to change a tenant''s loads, credits and waits: held by the transaction that has this row locked. batch_no orders everything in a tenant. last_at = the time of the last batch; latest_at = the latest that there ever was, later than last_at only after the clock was ahead; clock_confirmed_until = until then somebody has said that the database''s clock is right. aborted_at = a holder''s transaction was rolled back then, and it is not known yet whether its process crashed; crashes = so many times processes crashed in the middle of a batch, the last at crashed_at, those of crashed_by; careful = so many leads are still to be taken one at a time; noted_lead = the lead that is taken next; noted_by = the processes that have taken it alone; noted_crashes = how often one of them crashed in it.';

-- migrate: rollback

alter table lane drop column latest_at, drop column clock_confirmed_until;
alter table process drop column host_ahead_s, drop column clock_disputed, drop column version;
comment on table process is 'The processes that route leads, of all tenants (tenant_id 0). beat_at = its last sign of life; ended_at = it stopped as it should; died_at = others found it dead: its process is gone from its host, or it has given no sign of life for too long.';
comment on table lane is 'The right to change a tenant''s loads, credits and waits: held by the transaction that has this row locked. batch_no orders everything in a tenant. aborted_at = a holder''s transaction was rolled back then, and it is not known yet whether its process crashed; crashes = so many times processes crashed in the middle of a batch, the last at crashed_at, those of crashed_by; careful = so many leads are still to be taken one at a time; noted_lead = the lead that is taken next; noted_by = the processes that have taken it alone; noted_crashes = how often one of them crashed in it.';
