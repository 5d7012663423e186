-- name: extensions()!
-- What measures statements and reads the write-ahead log; both come with PostgreSQL.
do $$ begin create extension if not exists pg_stat_statements; create extension if not exists pg_walinspect; end $$;

-- name: begin()
-- From here on statements count; answers the place in the write-ahead log.
select pg_current_wal_insert_lsn() from pg_stat_statements_reset();

-- name: statement_costs()
-- What the statements cost, the dearest first: time in ms, planning included where it is tracked, and write-ahead log in bytes.
select query, calls, rows, total_exec_time + total_plan_time as ms, wal_bytes::float8 as wal
  from pg_stat_statements where calls > 0 and dbid = (select oid from pg_database where datname = current_database())
 order by ms desc limit 40;

-- name: wal_by_kind(since)
-- Bytes of write-ahead log since a place in it, by kind of record and with whole pages beside.
select "resource_manager/record_type" as kind, combined_size::float8 as bytes, fpi_size::float8 as pages
  from pg_get_wal_stats(:since::pg_lsn, pg_current_wal_flush_lsn(), true) where combined_size > 0 order by 2 desc;
