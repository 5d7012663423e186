-- Routers say that they live, so that a crash of one is told from a transaction that was only rolled back.
-- depends: 0006_one_lead_at_a_time

-- migrate: apply

create table process (
    tenant_id int not null default 0 check (tenant_id = 0),
    process_id bigint not null,
    instance text not null,
    host text not null,
    pid int not null,
    started_at timestamptz not null default clock_timestamp(),
    beat_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    died_at timestamptz,
    primary key (tenant_id, process_id)
);
alter table process alter column tenant_id set statistics 0;
comment on table process is 'The processes that route leads, of all tenants (tenant_id 0). beat_at = its last sign of life; ended_at = it stopped as it should; died_at = others found it dead: its process is gone from its host, or it has given no sign of life for too long.';

alter table lane
    add column aborted_at timestamptz,
    add column crashed_by bigint[] not null default '{}',
    add column noted_by bigint[] not null default '{}';
update lane set noted_crashes = 0;
comment on table lane is 'The right to change a tenant''s loads, credits and waits: held by the transaction that has this row locked. batch_no orders everything in a tenant. aborted_at = a holder''s transaction was rolled back then, and it is not known yet whether its process crashed; crashes = so many times processes crashed in the middle of a batch, the last at crashed_at, those of crashed_by; careful = so many leads are still to be taken one at a time; noted_lead = the lead that is taken next; noted_by = the processes that have taken it alone; noted_crashes = how often one of them crashed in it.';

-- migrate: rollback

alter table lane drop column aborted_at, drop column crashed_by, drop column noted_by;
drop table process;
comment on table lane is 'The right to change a tenant''s loads, credits and waits: held by the transaction that has this row locked. batch_no orders everything in a tenant. crashes = holders that crashed in the middle of a batch, the last at crashed_at; careful = so many leads are still to be taken one at a time; noted_lead = the lead that is taken next; noted_crashes = how often a holder crashed while it was noted.';
