-- Ending idle sessions of others. What is read are views of the server, which no lock on a table of ours stops.

-- name: end_idle(pids, started, since)
-- Ends these sessions, as far as they are still the same ones and still idle since then.
select k.pid, pg_terminate_backend(k.pid) as sent
  from unnest(:pids::int[], :started::timestamptz[], :since::timestamptz[]) as k(pid, started_at, state_at)
  join pg_stat_activity a on a.pid = k.pid and a.backend_start = k.started_at and a.state_change = k.state_at
 where a.state like 'idle%';

-- name: still_there(pids, started)
-- How many of these sessions have not ended yet.
select count(*)::int
  from unnest(:pids::int[], :started::timestamptz[]) as k(pid, started_at)
  join pg_stat_activity a on a.pid = k.pid and a.backend_start = k.started_at;
