-- Sources: web forms and webhooks through which leads come.
-- depends: 0017_journal

-- migrate: apply

create table source (
    tenant_id  int not null,
    name       text not null check (name <> ''),
    kind       text not null check (kind in ('form', 'webhook')),
    definition text not null,
    created_by text not null,
    created_at timestamptz not null default clock_timestamp(),
    changed_at timestamptz not null default clock_timestamp(),
    taken      bigint not null default 0,
    refused    bigint not null default 0,
    trapped    bigint not null default 0,
    last_at    timestamptz,
    primary key (tenant_id, name)
);
alter table source alter column tenant_id set statistics 0;
comment on table source is 'Web forms and webhooks through which leads come. definition = the YAML with its mapping and its door. taken, refused = leads and requests until last_at; trapped = forms that a machine filled in, of which nothing is stored. Counted every second or so.';

create table source_key (
    tenant_id  int not null,
    key        text not null,
    source     text not null,
    created_at timestamptz not null default clock_timestamp(),
    until      timestamptz,
    primary key (tenant_id, key),
    foreign key (tenant_id, source) references source (tenant_id, name) on delete cascade
);
alter table source_key alter column tenant_id set statistics 0;
create index source_key_source on source_key (tenant_id, source);
comment on table source_key is 'The keys in the addresses of sources. They are public. until = when one that was replaced opens nothing any more.';

create table source_secret (
    tenant_id  int not null,
    source     text not null,
    number     bigint generated always as identity,
    secret     text not null,
    created_at timestamptz not null default clock_timestamp(),
    until      timestamptz,
    primary key (tenant_id, source, number),
    foreign key (tenant_id, source) references source (tenant_id, name) on delete cascade
);
alter table source_secret alter column tenant_id set statistics 0;
comment on table source_secret is 'What webhooks are signed with. Kept as it is, since signatures are checked with it; shown nowhere. until = when one that was replaced ends.';

create table source_reject (
    tenant_id int not null,
    source    text not null,
    number    bigint generated always as identity,
    at        timestamptz not null,
    status    smallint not null,
    reason    text not null,
    sent_id   text not null default '',
    body_hash bytea not null check (length(body_hash) = 32),
    bytes     int not null,
    primary key (tenant_id, source, number),
    foreign key (tenant_id, source) references source (tenant_id, name) on delete cascade
);
alter table source_reject alter column tenant_id set statistics 0;
comment on table source_reject is 'The last requests that a source refused, at most 50 each, and 50 with a wrong signature: why, and the SHA-256 of the body, which is not kept. sent_id = what the sender calls it.';

-- migrate: rollback

drop table source_reject;
drop table source_secret;
drop table source_key;
drop table source;
