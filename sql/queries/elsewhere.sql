-- Who waits for whom on all servers: only asked where the extension citus is there, whose views these are.

-- name: bounded()!
-- For this transaction: who looks for waits must not become one of those who wait.
set local lock_timeout = '200ms'; set local statement_timeout = '4s';

-- name: waits(shown)
-- Each wait for a lock, on whichever server it is, with the two sessions as their clients opened them; truly about all tenants.
with session as (
    select distinct on (a.global_pid) a.global_pid, a.nodeid, a.application_name, a.usename::text as role, a.state, a.xact_start
      from citus_stat_activity a where a.is_worker_query is not true
     order by a.global_pid, a.xact_start)
select w.waiting_gpid as waiting_pid, coalesce(concat(wn.nodename, ':', wn.nodeport), '') as waiting_server,
       coalesce(ws.application_name, '') as waiting_application, coalesce(ws.role, '') as waiting_role,
       coalesce(ws.state, '') as waiting_state, coalesce(left(w.blocked_statement, :shown::int), '') as waiting_query,
       ws.xact_start as waiting_since,
       w.blocking_gpid as blocking_pid, coalesce(concat(bn.nodename, ':', bn.nodeport), '') as blocking_server,
       coalesce(bs.application_name, '') as blocking_application, coalesce(bs.role, '') as blocking_role,
       coalesce(bs.state, '') as blocking_state,
       coalesce(left(w.current_statement_in_blocking_process, :shown::int), '') as blocking_query,
       bs.xact_start as blocking_since
  from citus_lock_waits w
  left join session ws on ws.global_pid = w.waiting_gpid
  left join session bs on bs.global_pid = w.blocking_gpid
  left join pg_dist_node wn on wn.nodeid = w.waiting_nodeid
  left join pg_dist_node bn on bn.nodeid = w.blocking_nodeid
 order by bs.xact_start, w.waiting_gpid limit 100;
