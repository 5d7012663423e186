-- name: note(began_at, pids, applications, roles, clients, kinds, tables, queries)!
-- Remembers sessions that block us; what another instance has noted already is left. Tables are names with commas between.
insert into seen_blocker (tenant_id, began_at, pid, application, role, client, kind, tables, query)
select 0, n.began_at, n.pid, n.application, n.role, n.client, n.kind, string_to_array(n.tables, ','), n.query
  from unnest(:began_at::timestamptz[], :pids::int[], :applications::text[], :roles::text[], :clients::text[], :kinds::text[],
              :tables::text[], :queries::text[]) as n (began_at, pid, application, role, client, kind, tables, query)
    on conflict do nothing;

-- name: ended(began_at, pids)!
-- These sessions block us no more.
update seen_blocker s set ended_at = statement_timestamp()
  from unnest(:began_at::timestamptz[], :pids::int[]) as n (began_at, pid)
 where s.tenant_id = 0 and s.began_at = n.began_at and s.pid = n.pid and s.ended_at is null;

-- name: living()
-- Since when the sessions of this server are there, and their transactions.
select pid, xact_start, backend_start from pg_stat_activity where pid is not null;

-- name: lost(pids, began_at)!
-- Nobody watched when the other sessions ended.
update seen_blocker s set ended_at = statement_timestamp()
 where s.tenant_id = 0 and s.ended_at is null
   and not exists (select from unnest(:pids::int[], :began_at::timestamptz[]) as a(pid, began_at) where a.pid = s.pid and a.began_at = s.began_at);

-- name: forget(kept)!
-- What is older than that.
delete from seen_blocker where tenant_id = 0 and began_at < statement_timestamp() - :kept::interval;

-- name: seen(since, until)
-- Who blocked us, the first one first.
select began_at, application, role, client, kind, tables, query, seen_at, ended_at
  from seen_blocker where tenant_id = 0 and began_at between :since and :until order by began_at, pid;
