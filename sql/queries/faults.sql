-- What the fault suite asks the database; the rest of its checks is `lead-router audit`.

-- name: not_as_acknowledged(tenant_id, sources, external_ids, lead_ids)
-- Leads that intake acknowledged and that are not there under the number that it told, if it told one; a row is an example.
select count(*) over () as found,
       format('%s %s: acknowledged as lead %s, there is %s', a.source, a.external_id, coalesce(a.lead_id::text, '?'), coalesce(l.lead_id::text, 'none')) as example
  from unnest(:sources::text[], :external_ids::text[], :lead_ids::bigint[]) as a(source, external_id, lead_id)
  left join (select tenant_id, source, external_id, lead_id from lead union all
             select tenant_id, source, external_id, lead_id from archived) l
    on l.tenant_id = :tenant_id and l.source = a.source and l.external_id = a.external_id
 where l.lead_id is null or l.lead_id <> a.lead_id
 order by a.lead_id limit 5;

-- name: over_cap()
-- Reps who have more open leads at this moment than their own cap of now. Truly about all tenants.
select count(*) over () as found, format('tenant %s rep %s: %s open, the cap is %s', a.tenant_id, a.rep_no, a.open, r.max_open) as example
  from (select tenant_id, rep_no, count(*) as open from assignment group by tenant_id, rep_no) a
  join rep_row r on r.tenant_id = a.tenant_id and r.rep_no = a.rep_no and r.to_version is null
 where a.open > r.max_open
 order by a.tenant_id, a.rep_no limit 5;

-- name: assigned_from(tenant_id, lead_id, limit)
-- Some assigned leads, from a number on.
select lead_id from assignment where tenant_id = :tenant_id and lead_id >= :lead_id order by lead_id limit :limit;

-- name: last_lead(tenant_id)
-- The number of a tenant's last lead; 0 = none.
select coalesce(max(lead_id), 0) from lead where tenant_id = :tenant_id;

-- name: is_assigned(tenant_id, lead_id)
-- Whether a lead has a rep, or had one.
select exists (select from assignment where tenant_id = :tenant_id and lead_id = :lead_id)
    or exists (select from assignment_history where tenant_id = :tenant_id and lead_id = :lead_id);

-- name: assigned_so_far()
-- How many assignments there were and are. Truly about all tenants.
select (select count(*) from assignment) + (select count(*) from assignment_history);

-- name: unsettled()
-- Whether a ready lead or news of a lane is left. Truly about all tenants.
select exists (select from lead_pool where wake_key = 0) or exists (select from lane_inbox);

-- name: left()
-- What keeps lanes from being settled: their ready leads and their news, beside where each lane stands. Truly about all tenants.
select l.*, now() as at,
       (select count(*) from lead_pool p where p.tenant_id = l.tenant_id and p.wake_key = 0) as ready,
       (select count(*) from lane_inbox i where i.tenant_id = l.tenant_id) as news
  from lane l order by l.tenant_id;

-- name: other_sessions(application)
-- Processes of the server that talk to this database under a name that begins so.
select pid from pg_stat_activity
 where datname = current_database() and application_name like :application || '%' and pid <> pg_backend_pid() order by pid;

-- name: terminate(pid)
-- Ends a session of somebody else.
select pg_terminate_backend(:pid::int);

-- name: lock_half()
-- Locks every other lead of the pool, as a foreign script does, as far as nobody else has them. Truly about all tenants.
select count(*) from (select from lead_pool where lead_id % 2 = 0 for update skip locked) as locked;

-- name: stuck_in_write()
-- Routers' sessions of this database whose answer nobody takes.
select pid from pg_stat_activity
 where datname = current_database() and application_name like 'lead-router%' and wait_event = 'ClientWrite';

-- name: blamed(detail)
-- Leads that were parked for having crashed routers, besides those that do. Truly about all tenants.
select count(*) over () as found, format('tenant %s lead %s', p.tenant_id, p.lead_id) as example
  from parked p join lead l using (tenant_id, lead_id)
 where p.detail = :detail and coalesce(l.campaign, '') <> 'deadly'
 order by p.tenant_id, p.lead_id limit 5;

-- name: table_sizes()
-- Our tables with their partitions: bytes of the table and of its indexes, dead rows, the number of them up to which vacuum leaves
-- them, and rows inserted so far.
select coalesce(p.relname, c.relname)::text as name, sum(pg_table_size(c.oid))::float8 as table_bytes,
       sum(pg_indexes_size(c.oid))::float8 as index_bytes, sum(s.n_dead_tup)::float8 as dead,
       sum(v.threshold + v.factor * greatest(c.reltuples, 0))::float8 as left_to_vacuum, sum(s.n_tup_ins)::float8 as inserted
  from pg_class c
 cross join lateral (
       select coalesce(max(option_value) filter (where option_name = 'autovacuum_vacuum_threshold'),
                       current_setting('autovacuum_vacuum_threshold'))::float8 as threshold,
              coalesce(max(option_value) filter (where option_name = 'autovacuum_vacuum_scale_factor'),
                       current_setting('autovacuum_vacuum_scale_factor'))::float8 as factor
         from pg_options_to_table(c.reloptions)) v
  join pg_stat_user_tables s on s.relid = c.oid
  left join pg_inherits i on i.inhrelid = c.oid
  left join pg_class p on p.oid = i.inhparent
 where c.relnamespace = (select oid from pg_namespace where nspname = current_schema()) and c.relkind = 'r'
 group by 1 order by 1;

-- name: last_number(tenant_ids)
-- The number of the last lead of these tenants; 0 = none.
select coalesce(max(l.last), 0)
  from unnest(:tenant_ids::int[]) as t(tenant_id)
 cross join lateral (select max(lead_id) as last from lead where tenant_id = t.tenant_id) l;

-- name: wait_p99(tenant_ids, first, last)
-- Of the leads after one number and up to another that have a rep: the time (s) from a lead's commit to its assignment's that 99% of them
-- did not exceed; needs track_commit_timestamp.
select percentile_disc(0.99) within group (
         order by extract(epoch from pg_xact_commit_timestamp(a.xmin) - pg_xact_commit_timestamp(l.xmin))::float8)
  from unnest(:tenant_ids::int[]) as t(tenant_id)
  join lead l on l.tenant_id = t.tenant_id and l.lead_id > :first and l.lead_id <= :last
  join assignment a on a.tenant_id = l.tenant_id and a.lead_id = l.lead_id;
