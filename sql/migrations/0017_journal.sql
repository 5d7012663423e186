-- Journals: what instances of the API took while the database was away, as far as they have reported it.
-- depends: 0016_lead_corrections

-- migrate: apply

create table journal (
    tenant_id     int not null default 0 check (tenant_id = 0),
    journal_id    bigint not null,
    instance      text not null,
    host          text not null,
    file          text not null,
    bytes         bigint not null default 0,
    maximum_bytes bigint not null default 0,
    maximum_leads bigint not null default 0,
    refuses       text not null default '',
    registered_at timestamptz not null default clock_timestamp(),
    seen_at       timestamptz not null default clock_timestamp(),
    primary key (tenant_id, journal_id)
);
alter table journal alter column tenant_id set statistics 0;
comment on table journal is 'The files in which instances of the API keep leads while the database is away (tenant_id 0: a file is of all tenants). instance = who had it last, on that host; refuses = why it takes nothing now, empty = it would; seen_at = its last report.';

create table journalled (
    tenant_id  int not null,
    journal_id bigint not null,
    taken      bigint not null default 0,
    drained    bigint not null default 0,
    leads      bigint not null default 0 check (leads >= 0),
    set_aside  bigint not null default 0 check (set_aside >= 0),
    given_up   bigint not null default 0,
    drained_to bigint not null default 0,
    oldest_at  timestamptz,
    reason     text not null default '',
    primary key (tenant_id, journal_id)
);
alter table journalled alter column tenant_id set statistics 0;
comment on table journalled is 'Leads of a tenant in a journal. taken = all that it ever took; drained = those that are in the database, the last one under the number drained_to of the journal, written in the transaction that accepted them; leads = those that wait in the journal, the oldest since oldest_at; set_aside = those that the database refused, of the last for that reason; given_up = those that a person gave up. taken = drained + leads + set_aside + given_up, always.';

-- migrate: rollback

drop table journalled;
drop table journal;
