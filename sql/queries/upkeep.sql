-- name: indexes(tables)
-- The indexes of these tables of ours, and whether they can be used.
select t.relname::text as table_name, c.relname::text as index_name, i.indisprimary as is_primary, i.indisvalid and i.indisready as usable
  from pg_class t
  join pg_index i on i.indrelid = t.oid
  join pg_class c on c.oid = i.indexrelid
 where t.relnamespace = (select oid from pg_namespace where nspname = current_schema()) and t.relname = any(:tables::text[]);

-- name: dead_rows(tables, dead, before)
-- Tables with so many dead rows, and more of them than twice the live ones, that were not vacuumed since then. Without a size from
-- the disk: that would wait for whoever has the table locked. Before the first tenant there was nothing to be vacuumed.
select s.relname::text as table_name, s.n_live_tup as live, s.n_dead_tup as dead, c.relpages::bigint * current_setting('block_size')::int as bytes,
       greatest(s.last_vacuum, s.last_autovacuum) as vacuumed_at, coalesce(c.reloptions::text like '%autovacuum_enabled=false%', false) as is_off
  from pg_stat_user_tables s join pg_class c on c.oid = s.relid
 where s.schemaname = current_schema() and s.relname = any(:tables::text[])
   and s.n_dead_tup > :dead and s.n_dead_tup > 2 * s.n_live_tup
   and coalesce(greatest(s.last_vacuum, s.last_autovacuum), (select min(created_at) from tenant)) < :before
 order by s.n_dead_tup desc;

-- name: held_back(before, age, wal_bytes)
-- Who keeps vacuum from removing dead rows of this database: transactions and prepared ones since before then; standbys that report
-- queries so many transactions old; replication slots with as many, or that nobody uses and for which so much log is kept.
select 'transaction' as kind, a.pid::text as name, coalesce(a.application_name, '') as of_what, coalesce(a.usename, '')::text as role,
       coalesce(a.state, '') as state, a.xact_start as since,
       age(coalesce(a.backend_xmin, a.backend_xid))::bigint as transactions, 0::bigint as wal_bytes
  from pg_stat_activity a
 where (a.datname = current_database() or a.datid is null) and a.pid <> pg_backend_pid()
   and coalesce(a.backend_xmin, a.backend_xid) is not null and a.xact_start < :before and a.backend_type <> 'autovacuum worker'
union all
select 'prepared', p.gid, '', p.owner::text, 'prepared', p.prepared, age(p.transaction)::bigint, 0
  from pg_prepared_xacts p where p.database = current_database() and p.prepared < :before
union all
select 'standby', coalesce(nullif(r.application_name, ''), r.pid::text), coalesce(host(r.client_addr), ''), coalesce(r.usename, '')::text,
       coalesce(r.state, ''), null, age(r.backend_xmin)::bigint, 0
  from pg_stat_replication r where age(r.backend_xmin) > :age
union all
select 'slot', s.slot_name::text, coalesce(s.plugin, '')::text, '', case when s.active then 'in use' else 'not in use' end, null,
       s.transactions, s.wal_bytes
  from (select slot_name, plugin, active, coalesce(age(coalesce(xmin, catalog_xmin)), 0)::bigint as transactions,
               coalesce(case when not pg_is_in_recovery() then pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) end, 0)::bigint as wal_bytes
          from pg_replication_slots
         where (database is null or database = current_database()) and wal_status is distinct from 'lost') s
 where s.transactions > :age or (not s.active and s.wal_bytes > :wal_bytes)
 order by since nulls last;

-- name: held_now()
-- By kind, what keeps vacuum back most at this moment: the oldest in seconds (null = not known), the transactions since the oldest, and the
-- log that is kept for slots. A kind that there is none of has no row.
select kind, max(seconds)::float8 as seconds, max(transactions)::bigint as transactions, max(wal_bytes)::bigint as wal_bytes
  from (select 'transaction' as kind, extract(epoch from clock_timestamp() - a.xact_start) as seconds,
               age(coalesce(a.backend_xmin, a.backend_xid)) as transactions, 0::bigint as wal_bytes
          from pg_stat_activity a
         where (a.datname = current_database() or a.datid is null) and a.pid <> pg_backend_pid() and a.xact_start is not null
           and coalesce(a.backend_xmin, a.backend_xid) is not null and a.backend_type <> 'autovacuum worker'
        union all
        select 'prepared', extract(epoch from clock_timestamp() - p.prepared), age(p.transaction), 0
          from pg_prepared_xacts p where p.database = current_database()
        union all
        select 'standby', null, age(r.backend_xmin), 0 from pg_stat_replication r where r.backend_xmin is not null
        union all
        select 'slot', null, coalesce(age(coalesce(s.xmin, s.catalog_xmin)), 0),
               coalesce(case when not pg_is_in_recovery() then pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn) end, 0)::bigint
          from pg_replication_slots s where s.database is null or s.database = current_database()) held
 group by kind;

-- name: lane_rows()
-- Live and dead rows of the lanes by the server's statistics, and for how long (s) the oldest transaction with a snapshot of this database
-- has been open, as far as this role may see it.
select coalesce(max(s.n_live_tup), 0) as live, coalesce(max(s.n_dead_tup), 0) as dead,
       coalesce((select max(extract(epoch from clock_timestamp() - a.xact_start)) from pg_stat_activity a
                  where a.datname = current_database() and a.backend_xmin is not null and a.pid <> pg_backend_pid()
                    and a.backend_type <> 'autovacuum worker'), 0)::float8 as oldest_s
  from pg_stat_user_tables s where s.schemaname = current_schema() and s.relname = 'lane';

-- name: table_rows(tables)
-- Live and dead rows of these tables, and their bytes, as the server's statistics have them: asking the disk would wait for whoever has a
-- table locked.
select s.relname::text as table_name, s.n_live_tup as live, s.n_dead_tup as dead,
       c.relpages::bigint * current_setting('block_size')::int as table_bytes,
       coalesce((select sum(i.relpages::bigint) from pg_index x join pg_class i on i.oid = x.indexrelid where x.indrelid = c.oid), 0)::bigint
         * current_setting('block_size')::int as index_bytes
  from pg_stat_user_tables s join pg_class c on c.oid = s.relid
 where s.schemaname = current_schema() and s.relname = any(:tables::text[]);

-- name: data_directory()
-- Where the server has its files (null = this role may not see it), and whether it is asked over a socket of its own host.
select (select setting from pg_settings where name = 'data_directory') as path, inet_server_addr() is null as is_local;
