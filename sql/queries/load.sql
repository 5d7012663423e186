-- name: server()
-- The server while a load runs: sessions of clients, those of the service, bytes of write-ahead log so far.
select count(*) filter (where backend_type = 'client backend')::int as connections,
       count(*) filter (where backend_type = 'client backend' and application_name like 'lead-router%')::int as service_connections,
       (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint as wal_bytes
  from pg_stat_activity;

-- name: waiting(tenant_id)
-- How many leads of a tenant wait.
select count(*)::int from lead_pool where tenant_id = :tenant_id;

-- name: on_their_way(tenant_id)
-- How many leads of a tenant wait, or are still in the journal of an instance.
select (select count(*) from lead_pool where tenant_id = :tenant_id)
       + (select coalesce(sum(leads), 0) from journalled where tenant_id = :tenant_id);

-- name: has_commit_times()
-- Whether the server records when transactions were committed.
select current_setting('track_commit_timestamp')::bool;

-- name: leads_committed(tenant_id)
-- All leads of a tenant, each with when its first assignment was committed (seconds since 1970; null = it had none), by
-- the commit of the batch's flight record, which nothing changes later; needs track_commit_timestamp.
with batches as (
    select batch_no, min(pg_xact_commit_timestamp(xmin)) as at from flight where tenant_id = :tenant_id group by batch_no),
firsts as (
    select lead_id, min(batch_no) as batch_no
      from (select lead_id, batch_no from assignment where tenant_id = :tenant_id
            union all
            select lead_id, batch_no from assignment_history where tenant_id = :tenant_id) every
     group by lead_id)
select l.source, l.external_id, extract(epoch from b.at)::float8 as assigned
  from lead l left join firsts f using (lead_id) left join batches b using (batch_no)
 where l.tenant_id = :tenant_id;

-- name: leads_decided(tenant_id)
-- As `leads_committed`, with the times of the decisions, which are some milliseconds earlier.
with firsts as (
    select lead_id, min(assigned_at) as at
      from (select lead_id, assigned_at from assignment where tenant_id = :tenant_id
            union all
            select lead_id, assigned_at from assignment_history where tenant_id = :tenant_id) every
     group by lead_id)
select l.source, l.external_id, extract(epoch from f.at)::float8 as assigned
  from lead l left join firsts f using (lead_id)
 where l.tenant_id = :tenant_id;
