-- Imports: who, when, which file, which leads; and what is left of leads that are taken back.
-- depends: 0027_repeats

-- migrate: apply

create table lead_import (
    tenant_id int not null,
    import_no bigint generated always as identity,
    began_at  timestamptz not null default clock_timestamp(),
    ended_at  timestamptz,
    actor     text not null,
    file      text not null,
    mapping   text not null default '',
    rows      bigint not null default 0,
    rejected  bigint not null default 0,
    removed   bigint not null default 0 check (removed >= 0),
    undone_at timestamptz,
    undone_by text,
    primary key (tenant_id, import_no),
    check ((undone_at is null) = (undone_by is null))
);
alter table lead_import alter column tenant_id set statistics 0;
comment on table lead_import is 'Imports of files. ended_at null = it is under way, or was cut off; rows and rejected are known at its end. removed = leads of it that were taken back, the last time at undone_at.';

create table lead_import_part (
    tenant_id int not null,
    import_no bigint not null,
    part_no   bigint generated always as identity,
    firsts    bigint[] not null,
    lasts     bigint[] not null,
    new       int not null check (new >= 0),
    repeated  int not null check (repeated >= 0),
    merged    int not null,
    parked    int not null check (parked >= 0),
    differing int not null check (differing >= 0),
    primary key (tenant_id, import_no, part_no),
    check (cardinality(firsts) = cardinality(lasts))
);
alter table lead_import_part alter column tenant_id set statistics 0;
comment on table lead_import_part is 'One batch of an import, written in the transaction that stored its leads: the numbers of its new leads as ranges (firsts to lasts), and what became of all of them.';

create table removed_lead (
    tenant_id    int not null,
    lead_id      bigint not null,
    source       text not null,
    external_id  text not null,
    created_at   timestamptz not null,
    received_at  timestamptz not null,
    region       text,
    industry     text,
    product      text,
    campaign     text,
    ad_id        text,
    landing_page text,
    import_no    bigint not null,
    removed_at   timestamptz not null default clock_timestamp(),
    change_id    bigint not null,
    primary key (tenant_id, lead_id)
);
alter table removed_lead alter column tenant_id set statistics 0;
comment on table removed_lead is 'What is left of leads that were taken back with their import: no fact that says who the person is, but what batches looked at that refused them, so that these can be run again. The identity is free: the same lead handed in again is a new one. change_id = the change that says who and why.';

create table removed_count (
    tenant_id int primary key,
    leads     bigint not null check (leads >= 0)
);
alter table removed_count alter column tenant_id set statistics 0;
comment on table removed_count is 'How many leads of a tenant were removed on purpose; written in the transaction that removes them, so that sums add up at any moment.';

-- migrate: rollback

-- The release before knows no removed leads: its sums would hold, and batches that refused them could not be run again.
drop table removed_count, removed_lead, lead_import_part, lead_import;
