-- name: find_functions()
-- Until the transaction ends, the functions are found without their schema: ours, or, where this role may not call them there,
-- lead_router.
select set_config('search_path', coalesce((
    select quote_ident(n.nspname) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
     where p.proname = 'take_turn' and n.nspname in (current_schema(), 'lead_router')
       and has_schema_privilege(n.oid, 'usage') and has_function_privilege(p.oid, 'execute')
     order by n.nspname = 'lead_router' limit 1), 'lead_router'), true);

-- name: take_turn(tenant, rows, run_for, alive_for, name)
-- Asks for a turn; rows 0 only asks whether it could be had. tenant null = for all.
select may_delete, turn, until, reason, ask_again_at from take_turn(:tenant::text, :rows::bigint, :run_for::interval, :alive_for::interval, :name::text);

-- name: keep_turn(tenant, turn, alive_for)
-- A sign of life of who has the turn; 0 gives it back. False = it has the turn no more.
select keep_turn(:tenant::text, :turn::bigint, :alive_for::interval);

-- name: runs(tenant_ids, since)
-- Who asked for turns since then, or has one: the last first.
select r.tenant_id, r.run, r.role, r.name, r.began_at, r.last_at, r.turn, r.turn_at, r.until, r.alive_until, r.budget, r.turns, r.refusals,
       r.refused_why, r.removed, r.lapses, r.overruns, r.overrun_s, r.overran_at, clock_timestamp() as now
  from maintenance_run r
 where r.tenant_id = any(:tenant_ids::int[]) and (r.last_at >= :since or r.until >= :since)
 order by r.last_at desc, r.run desc;

-- name: sessions(role, name)
-- How many sessions of a script there are now, and of them at work.
select count(*) as sessions, count(*) filter (where state is distinct from 'idle') as at_work
  from pg_stat_activity where datname = current_database() and usename = :role and application_name = :name and pid <> pg_backend_pid();

-- name: totals(since, late)
-- Of all tenants: turns that scripts have, and that are past their end by more than `late`; what runs since then removed and
-- were refused.
select count(*) filter (where turn is not null and least(until, alive_until) > clock_timestamp()) as open,
       count(*) filter (where turn is not null and until < clock_timestamp() - :late::interval
                          and (alive_until is null or alive_until >= until)) as overrun,
       coalesce(sum(removed), 0)::bigint as removed, coalesce(sum(refusals), 0)::bigint as refused
  from maintenance_run where last_at >= :since or until >= :since;
