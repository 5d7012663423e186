-- Cleanup: what is archived, up to where records are removed, who cleans; flight records in partitions by time.
-- depends: 0023_history_partitions

-- migrate: apply

create table archived (
    tenant_id    int not null,
    lead_id      bigint not null,
    source       text not null,
    external_id  text not null,
    created_at   timestamptz not null,
    received_at  timestamptz not null,
    closed_at    timestamptz not null,
    outcome      text not null check (outcome in ('won', 'lost', 'merged')),
    into_lead_id bigint,
    archived_at  timestamptz not null default clock_timestamp(),
    primary key (tenant_id, lead_id),
    unique (tenant_id, source, external_id),
    check ((outcome = 'merged') = (into_lead_id is not null))
);
alter table archived alter column tenant_id set statistics 0;
comment on table archived is 'What is left of closed leads past their retention, and of the leads merged into them: no fact that says who the person is. The identity stays, so that the same lead handed in again is not a new one.';

create table archived_count (
    tenant_id int primary key,
    leads     bigint not null check (leads >= 0)
);
alter table archived_count alter column tenant_id set statistics 0;
comment on table archived_count is 'How many leads of a tenant are archived; written in the transaction that archives them, so that sums add up at any moment.';

create table removed (
    tenant_id int not null,
    name      text not null,
    upto      timestamptz not null,
    batch_no  bigint not null default 0,
    primary key (tenant_id, name)
);
alter table removed alter column tenant_id set statistics 0;
comment on table removed is 'Up to where rows of a table were removed by cleanup: of that time, and of flight up to that batch. Written before they are, so that an audit never takes them for lost.';

create table cleanup_lease (
    tenant_id int primary key default 0 check (tenant_id = 0),
    holder    bigint not null,
    until     timestamptz not null
);
alter table cleanup_lease alter column tenant_id set statistics 0;
insert into cleanup_lease (holder, until) values (0, '-infinity');
comment on table cleanup_lease is 'Which process cleans, of all tenants (tenant_id 0), and until when the right ends unless it is renewed. Each batch renews it in its own transaction.';

create table cleanup_run (
    tenant_id int not null,
    run_no    bigint generated always as identity,
    actor     text not null,
    began_at  timestamptz not null default clock_timestamp(),
    ended_at  timestamptz,
    outcome   text check (outcome in ('done', 'partial', 'window', 'brake', 'stopped', 'failed', 'interrupted')),
    removed   jsonb not null default '{}',
    note      text not null default '',
    primary key (tenant_id, run_no),
    check ((ended_at is null) = (outcome is null))
);
alter table cleanup_run alter column tenant_id set statistics 0;
comment on table cleanup_run is 'Each cleanup of a tenant (0 = partitions, of all tenants): who, when, how it ended, rows removed by table. done = nothing old is left; partial = only the tables that were asked for; interrupted = its process ended.';

-- As in 0023_history_partitions.
do $$
begin
    alter table flight detach partition flight_default;
    if to_regclass('flight_rest') is null then
        alter table flight_default rename to flight_rest;
        alter table flight attach partition flight_rest for values from (minvalue) to (maxvalue);
    else
        -- It was taken back and is applied again.
        insert into flight select * from flight_default;
        drop table flight_default;
    end if;
end $$;

-- migrate: rollback

-- The release before knows no archived leads: they cannot be brought back, so its sums would not hold.
do $$
begin
    if exists (select from archived) then
        raise exception 'leads are archived, which the release before does not know: restore a backup to go back';
    end if;
end $$;
create table flight_default partition of flight default;
alter table flight_default alter column tenant_id set statistics 0;
drop table cleanup_run, cleanup_lease, removed, archived_count, archived;
