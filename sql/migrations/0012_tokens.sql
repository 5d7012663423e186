-- Tokens: who may do what over HTTP.
-- depends: 0011_stalls

-- migrate: apply

create table token (
    tenant_id  int not null,
    token_id   text not null,
    name       text not null check (name <> ''),
    role       text not null,
    rep_id     text,
    hash       bytea not null check (length(hash) = 32),
    created_by text not null,
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz,
    used_at    timestamptz,
    revoked_at timestamptz,
    primary key (tenant_id, token_id)
);
alter table token alter column tenant_id set statistics 0;
comment on table token is 'Tokens for the API. tenant_id 0 = for all tenants. hash = SHA-256 of the whole token, which was shown once and is stored nowhere; rep_id for the role rep. used_at = when it was last used, to the minute or so. A revoked or expired one opens nothing and stays in the list.';

-- migrate: rollback

drop table token;
