-- name: name_session(name)
-- Calls this session something else until its next reset.
select set_config('application_name', :name, false);

-- name: server_room()
-- What the server has for connections, and which of its settings matter to us. Limits of -1 = none; a superuser has none.
select current_setting('max_connections')::int as max_connections,
       current_setting('superuser_reserved_connections')::int
         + coalesce(current_setting('reserved_connections', true)::int, 0) as reserved,
       case when r.rolsuper then -1 else r.rolconnlimit end as role_limit,
       case when r.rolsuper then -1 else d.datconnlimit end as database_limit,
       (select reset_val from pg_settings where name = 'TimeZone') as time_zone,
       current_setting('server_version') as server_version
  from pg_roles r, pg_database d
 where r.rolname = current_user and d.datname = current_database();

-- name: sessions()
-- Who is connected to the server, whatever the database. Truly about all tenants. What may not be seen counts as a client.
select application_name, count(*)::int as sessions, max(state_change) as last_at
  from pg_stat_activity
 where coalesce(backend_type, 'client backend') = 'client backend' and usesysid is not null
 group by application_name
 order by last_at nulls first;

-- name: living(pids, silent_for)
-- Which of these server processes still serve somebody: they work, or wait for the next statement for less than so many seconds
-- (null = however long). And whether the one that asks is known by its number.
select pg_backend_pid() as asking,
       array(select a.pid
               from unnest(:pids::int[], :silent_for::float8[]) as k(pid, silent_for) join pg_stat_activity a on a.pid = k.pid
              where a.state not like 'idle%' or k.silent_for is null
                 or a.state_change > clock_timestamp() - make_interval(secs => k.silent_for)) as pids;

-- name: running()
-- For how many seconds each statement of our role has been running; null = of a session that hides it. One that waits for its client in the
-- middle does not run.
select case when state = 'active' then extract(epoch from clock_timestamp() - query_start)::float8 end as for_s
  from pg_stat_activity
 where datname = current_database() and usename = session_user and pid <> pg_backend_pid()
   and (state = 'active' and wait_event is distinct from 'ClientRead' or state is null or state = 'disabled');
