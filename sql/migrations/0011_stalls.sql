-- Stalls that were noticed, and the hourly counts that say what is usual.
-- depends: 0010_seen_blockers

-- migrate: apply

create table stall (
    tenant_id  int not null,
    id         bigint generated always as identity,
    topic      text not null check (topic in ('waiting', 'oldest', 'parked', 'intake', 'rule', 'look')),
    kind       text not null,
    subject    text not null default '',
    began_at   timestamptz not null,
    noticed_at timestamptz not null default clock_timestamp(),
    seen_at    timestamptz not null default clock_timestamp(),
    ended_at   timestamptz,
    leads      bigint not null default 0 check (leads >= 0),
    oldest     timestamptz,
    reasons    jsonb not null default '{}',
    sentence   text not null,
    primary key (tenant_id, id),
    check (ended_at >= began_at)
);
alter table stall alter column tenant_id set statistics 0;
create unique index stall_open on stall (tenant_id, topic, subject) where ended_at is null;
create index stall_began on stall (tenant_id, began_at);
comment on table stall is 'Leads that stood still, and other ways of going wrong without an error: from began_at to ended_at (null = still); tenant_id 0 = the service as a whole. topic = what it is about, one is open for each at a time; kind = how it shows; subject = the rule that it is about. leads = the most that were held back in any look, the oldest of them queued at oldest; reasons = leads by reason in the last look, at seen_at; sentence = the last one in words.';

create table hour_count (
    tenant_id int not null,
    hour      timestamptz not null,
    what      text not null check (what in ('received', 'rule')),
    name      text not null default '',
    leads     bigint not null check (leads > 0),
    minutes   bigint not null,
    last_at   timestamptz not null,
    primary key (tenant_id, hour, what, name)
);
alter table hour_count alter column tenant_id set statistics 0;
comment on table hour_count is 'Leads by hour (its start): received; and assigned by each rule, by its name. minutes = the minutes of the hour in which there were any, as bits; last_at = the last of them. Kept for five weeks.';

create table hour_count_reached (
    tenant_id int primary key,
    lead_id   bigint not null default 0,
    batch_no  bigint not null default 0,
    trends    jsonb not null default '{}'
);
alter table hour_count_reached alter column tenant_id set statistics 0;
comment on table hour_count_reached is 'Up to which lead and which batch hour_count has counted, and how the rules fare against what is usual at that hour.';

create index parked_at on parked (tenant_id, parked_at);

-- migrate: rollback

drop index parked_at;
drop table hour_count_reached;
drop table hour_count;
drop table stall;
