-- Which sessions block us. All but the looks at rows read catalogs and views of the server, which no lock on a table of ours stops.

-- name: bounded()!
-- For this transaction: who looks for blockers must not become one of those who wait.
set local lock_timeout = '200ms'; set local statement_timeout = '3s'; set local plan_cache_mode = force_custom_plan;
set local enable_seqscan = off; set local enable_bitmapscan = off; set local jit = off;

-- name: sessions(shown, application)
-- All other sessions of this database that do something or keep a transaction open; truly about all tenants.
select a.pid, coalesce(a.application_name, '') as application, coalesce(a.usename, '')::text as role,
       coalesce(host(a.client_addr), '') as client, coalesce(a.backend_type, '') as backend, coalesce(a.state, '') as state,
       concat_ws(':', a.wait_event_type, a.wait_event) as wait, coalesce(left(a.query, :shown::int), '') as query,
       coalesce(starts_with(a.application_name, :application) and a.usename = current_user, false) as ours,
       a.query is distinct from '<insufficient privilege>' as visible, a.backend_xid is not null as writes,
       a.backend_start as started_at, a.xact_start as since, a.query_start as query_at,
       extract(epoch from clock_timestamp() - a.xact_start)::float8 as open_s,
       extract(epoch from clock_timestamp() - a.state_change)::float8 as state_s,
       age(a.backend_xmin) as snapshot_age,
       case when a.pid = any(array(select l.pid from pg_locks l where not l.granted)) then pg_blocking_pids(a.pid) end as waits_for
  from pg_stat_activity a
 where a.datname = current_database() and a.pid <> pg_backend_pid()
   and (a.state is distinct from 'idle' or a.backend_xid is not null);

-- name: table_locks(tables, modes)
-- Locks of these modes on our tables and their partitions, held or waited for.
with recursive ours as (
    select c.oid, c.relname::text as name from pg_class c
     where c.relnamespace = (select oid from pg_namespace where nspname = current_schema()) and c.relname = any(:tables::text[]) and c.relkind in ('r', 'p')
    union
    select i.inhrelid, o.name from pg_inherits i join ours o on o.oid = i.inhparent)
select distinct l.pid, o.name, l.mode, l.granted
  from pg_locks l join ours o on o.oid = l.relation
 where l.locktype = 'relation' and l.pid <> pg_backend_pid() and l.mode = any(:modes::text[])
   and l.database = (select d.oid from pg_database d where d.datname = current_database());

-- name: transactions(pids)
-- The transactions and subtransactions of these sessions that have changed or locked something.
select transactionid::text as xid, pid from pg_locks
 where locktype = 'transactionid' and granted and mode = 'ExclusiveLock' and pid = any(:pids::int[]);

-- name: members(lockers, xids)
-- Which of these transactions share the locks of rows with several lockers (multixacts); numbers that are none give no row.
select c.locker, m.xid::text as xid
  from unnest(:lockers::text[]) as c(locker)
 cross join lateral pg_get_multixact_members(
       case when mxid_age(c.locker::xid) between 1 and (select max(mxid_age(datminmxid)) from pg_database)
            then c.locker::xid end) m
 where m.xid::text = any(:xids::text[]);

-- name: locked_in_pool(tenant_ids, limit)
-- Among the first ready and the first waiting leads of each tenant: rows that have or had a locker.
select t.tenant_id, p.xmax::text as locker, count(*) as rows
  from lane t
 cross join lateral (
       (select r.xmax from lead_pool r where r.tenant_id = t.tenant_id and r.wake_key = 0
         order by r.rank, r.queued_at, r.lead_id limit :limit)
       union all
       (select w.xmax from lead_pool w where w.tenant_id = t.tenant_id and w.wake_key > 0
         order by w.wake_key, w.rank, w.queued_at, w.lead_id limit :limit)) p
 where t.tenant_id = any(:tenant_ids::int[]) and p.xmax::text <> '0'
 group by t.tenant_id, p.xmax::text;

-- name: locked_in_lane(tenant_ids, limit)
-- Lanes that have or had a locker.
select l.tenant_id, l.xmax::text as locker, 1::bigint as rows
  from lane l where l.tenant_id = any(:tenant_ids::int[]) and l.xmax::text <> '0' limit :limit;

-- name: locked_in_rep_load(tenant_ids, limit)
-- Among the loads of each tenant: rows that have or had a locker.
select t.tenant_id, r.xmax::text as locker, count(*) as rows
  from lane t
 cross join lateral (select l.xmax from rep_load l where l.tenant_id = t.tenant_id order by l.rep_no limit :limit) r
 where t.tenant_id = any(:tenant_ids::int[]) and r.xmax::text <> '0'
 group by t.tenant_id, r.xmax::text;

-- name: locked_in_customer_owner(tenant_ids, limit)
-- Among the owners of the customers of the first ready leads of each tenant: rows that have or had a locker.
select t.tenant_id, o.xmax::text as locker, count(*) as rows
  from lane t
 cross join lateral (select distinct p.customer_id
                       from (select customer_id from lead_pool where tenant_id = t.tenant_id and wake_key = 0
                              order by rank, queued_at, lead_id limit :limit) p) c
  join customer_owner o on o.tenant_id = t.tenant_id and o.customer_id = c.customer_id
 where t.tenant_id = any(:tenant_ids::int[]) and o.xmax::text <> '0'
 group by t.tenant_id, o.xmax::text;

-- name: locked_by_key(tenant_id, lockers)
-- All waiting leads of a tenant that these lockers have, by wake key.
select wake_key, xmax::text as locker, count(*) as leads
  from lead_pool where tenant_id = :tenant_id and xmax = any(:lockers::text[]::xid[])
 group by wake_key, xmax::text;

-- name: of_lead(tenant_id, lead_id)
-- The locker that the row of a waiting lead has or had.
select xmax::text as locker from lead_pool where tenant_id = :tenant_id and lead_id = :lead_id;

-- name: read_only()
-- Whether the server is a standby, and whether this transaction may not write.
select pg_is_in_recovery() as standby, current_setting('transaction_read_only')::boolean as read_only;

-- name: try_tables()!
-- Takes and leaves the locks that a batch needs; waits as long as the transaction's lock_timeout allows.
lock table lane, lead_pool, wake_key, parked, assignment, rep_load, group_share, lane_inbox, flight, customer_owner
  in row exclusive mode;

-- name: watch_alone()
-- Whether no other blocking watch acts just now; until the transaction ends.
select pg_try_advisory_xact_lock(hashtext('lead-router stall watch'));

-- name: cancel(pid, backend_start, query_start)
-- Cancels the statement of a session, if it is still the same one.
select pg_cancel_backend(pid) from pg_stat_activity
 where pid = :pid and backend_start is not distinct from :backend_start::timestamptz
   and query_start is not distinct from :query_start::timestamptz;

-- name: terminate(pid, backend_start, xact_start, wait_ms)
-- Ends a session, if it still has the same transaction, and waits until it is gone.
select pg_terminate_backend(pid, :wait_ms::bigint) from pg_stat_activity
 where pid = :pid and backend_start is not distinct from :backend_start::timestamptz
   and xact_start is not distinct from :xact_start::timestamptz;
