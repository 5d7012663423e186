-- Who is connected to the server, session by session. All of it reads views of the server, which no lock on a table of ours stops.

-- name: client_sessions(application)
-- The sessions of all clients but this one, whatever the database; may_end = our role may end it. Truly about all tenants.
select a.pid, coalesce(a.application_name, '') as application, coalesce(a.usename, '')::text as role,
       coalesce(a.datname, '')::text as database, coalesce(host(a.client_addr), '') as client,
       coalesce(a.state, '') as state, extract(epoch from clock_timestamp() - a.state_change)::float8 as state_s,
       a.backend_start as started_at, a.state_change as state_at,
       coalesce(a.application_name = :application or starts_with(a.application_name, :application || ' '), false) as ours,
       a.query is distinct from '<insufficient privilege>' as visible,
       me.rolsuper or (not coalesce(r.rolsuper, false) and (me.signals or pg_has_role(a.usesysid, 'usage'))) as may_end
  from pg_stat_activity a
  left join pg_roles r on r.oid = a.usesysid
 cross join (select rolsuper, pg_has_role('pg_signal_backend', 'usage') as signals
               from pg_roles where rolname = current_user) me
 where coalesce(a.backend_type, 'client backend') = 'client backend' and a.usesysid is not null
   and a.pid <> pg_backend_pid();
