-- Sessions that blocked us are remembered, so that what comes at the same hour every night is told from what came once.
-- depends: 0009_mutes

-- migrate: apply

create table seen_blocker (
    tenant_id int not null default 0 check (tenant_id = 0),
    began_at timestamptz not null,
    pid int not null,
    application text not null,
    role text not null,
    client text not null,
    kind text not null,
    tables text[] not null default '{}',
    query text not null default '',
    seen_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    primary key (tenant_id, began_at, pid)
);
alter table seen_blocker alter column tenant_id set statistics 0;
comment on table seen_blocker is 'Sessions that held leads up, of all tenants (tenant_id 0), for 30 days. began_at = when the session''s transaction began, seen_at = when it was first seen to block, ended_at = when it did no more (null = it still does, or nobody watched); kind and tables say how; query is without its values.';

-- migrate: rollback

drop table seen_blocker;
