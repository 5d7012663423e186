"""What Citus has in a database, made from PostgreSQL's own: for statements that ask it, where there is no Citus."""

EXTENSION = """
set allow_system_table_mods = on;
insert into pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
select 4711, 'citus', 10, 'public'::regnamespace, false, 'stand-in';
reset allow_system_table_mods;
"""
CATALOGUE = """
create table pg_dist_node (nodeid int, groupid int, nodename text, nodeport int, noderole text);
create table pg_dist_placement (shardid bigint, shardstate int, groupid int);
create function get_shard_id_for_distribution_column(relation regclass, tenant int) returns bigint
    language sql stable as $$ select 100 + tenant % 2 $$;
insert into pg_dist_node values (1, 1, 'db1.example.com', 5432, 'primary'), (2, 2, 'db2.example.com', 5432, 'primary'),
                                (3, 1, 'db9.example.com', 5432, 'secondary');
insert into pg_dist_placement values (100, 1, 1), (101, 1, 2), (101, 4, 1);
"""
"""Tenants with even numbers are on db1, the others on db2."""
VIEWS = """
create view citus_stat_activity as
select 20000000000 + a.pid as global_pid, 2 as nodeid, false as is_worker_query, a.* from pg_stat_activity a
 where a.datname = current_database();
create view citus_lock_waits as
select 20000000000 + w.pid as waiting_gpid, 20000000000 + b.pid as blocking_gpid, w.query as blocked_statement,
       b.query as current_statement_in_blocking_process, 2 as waiting_nodeid, 2 as blocking_nodeid
  from pg_stat_activity w cross join unnest(pg_blocking_pids(w.pid)) as held(pid)
  join pg_stat_activity b on b.pid = held.pid where w.datname = current_database();
"""
"""The locks of this server, as if they were those of the second."""
