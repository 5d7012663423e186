-- Idempotency keys: a request that is sent again gets the first answer.
-- depends: 0012_tokens

-- migrate: apply

create table idempotency (
    tenant_id  int not null,
    route      text not null,
    key        text not null,
    body_hash  bytea not null check (length(body_hash) = 16),
    lead_id    bigint not null,
    answer     bytea not null,
    expires_at timestamptz not null,
    primary key (tenant_id, route, key)
);
alter table idempotency alter column tenant_id set statistics 0;
create index idempotency_expires on idempotency (tenant_id, expires_at);
comment on table idempotency is 'Idempotency keys of requests, by route of the API, stored in the transaction of their lead: the hash of the body, and what was answered. Until expires_at the same request gets the same answer, another body is refused; then the row is deleted.';

-- migrate: rollback

drop table idempotency;
