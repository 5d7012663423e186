-- Jobs as all instances know them: how far each is, what came of it, and the file that it made.
-- depends: 0035_store_new

-- migrate: apply

create table job (
    tenant_id     int not null,
    job_id        text not null,
    kind          text not null,
    started_by    text not null,
    started_at    timestamptz not null,
    alive_at      timestamptz not null default clock_timestamp(),
    ended_at      timestamptz,
    state         text not null default 'running' check (state in ('running', 'done', 'failed', 'cancelled')),
    done          bigint not null default 0,
    total         bigint,
    step          text not null default '',
    result        json,
    result_left   boolean not null default false,
    error         text,
    import_no     bigint,
    cancel_wanted boolean not null default false,
    file_name     text,
    file_encoding text,
    file_bytes    int,
    file          bytea,
    primary key (tenant_id, job_id),
    check ((state = 'running') = (ended_at is null)),
    check ((file is null) = (file_bytes is null))
);
alter table job alter column tenant_id set statistics 0;
-- It is compressed already.
alter table job alter column file set storage external;
comment on table job is 'Jobs of the API and the console, the last ones of each tenant, for a week: what another instance, or the same one after a restart, says of them. alive_at = the last sign of the instance that runs it; result_left = the result was too large to be kept here; file = rows that were rejected, by gzip (file_bytes long), of the last ones only.';

-- migrate: rollback

drop table job;
