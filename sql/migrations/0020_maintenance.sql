-- Foreign maintenance that asks for a turn: who has one, who had, and what was removed; the functions that scripts call.
-- depends: 0019_waiting_by_lead

-- migrate: apply

create table maintenance_run (
    tenant_id   int not null,
    run         bigint generated always as identity,
    role        text not null,
    name        text not null,
    began_at    timestamptz not null,
    last_at     timestamptz not null,
    turn        bigint,
    turn_at     timestamptz,
    until       timestamptz,
    alive_until timestamptz,
    budget      bigint not null default 0,
    allowed     bigint not null default 0,
    turns       bigint not null default 0,
    refusals    bigint not null default 0,
    refused_why text not null default '',
    removed     bigint not null default 0,
    lapses      int not null default 0,
    overruns    int not null default 0,
    overrun_s   real not null default 0,
    overran_at  timestamptz,
    change_id   bigint,
    primary key (tenant_id, run),
    check (turn is null or until is not null)
);
alter table maintenance_run alter column tenant_id set statistics 0;
create index maintenance_run_turn on maintenance_run (tenant_id) where turn is not null;
comment on table maintenance_run is 'Foreign scripts that asked for a turn to clean: a run is what one (role and name) did without a break of ten minutes; tenant_id 0 = for all tenants. turn = the one that it has, or never gave back: over at until, or at alive_until where it has to give signs of life. budget, allowed = rows of that turn in all, and told so far; removed = what was reported. lapses = turns that were never given back; overruns = given back late, the last at overran_at, overrun_s = the longest.';

create sequence maintenance_turn_seq as bigint;

-- What keeps a tenant (0 = any) from being cleaned now, as a sentence; null = nothing. At most 200 pool rows of each are looked at.
create or replace function maintenance_obstacle(of_tenant int) returns text language plpgsql volatile
    set plan_cache_mode = force_custom_plan set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off set jit = off
as $body$ begin return (
    select case when ready.leads >= 200 then format('at least 200 leads of %s could be placed now', t.name)
                when ready.oldest < c.now - interval '1 s'
                then format('%s of %s could be placed now, the oldest for %s s', case ready.leads when 1 then '1 lead' else ready.leads || ' leads' end,
                            t.name, ceil(extract(epoch from c.now - ready.oldest))::bigint)
                else format('the drain of %s is busy: %s leads in its last batch', t.name, batch.leads) end
      from (select clock_timestamp() as now offset 0) c
     cross join lane l join tenant t on t.tenant_id = l.tenant_id
     cross join lateral (select count(*) as leads, min(queued_at) as oldest
                           from (select queued_at from lead_pool p where p.tenant_id = l.tenant_id and p.wake_key = 0
                                  order by rank, queued_at limit 200) first) ready
      left join lateral (select f.leads from flight f where l.last_at > c.now - interval '1 s' and f.tenant_id = l.tenant_id
                            and f.batch_no = l.batch_no and f.leads >= 200 limit 1) batch on true
     where (of_tenant = 0 or l.tenant_id = of_tenant) and t.ruleset > 0 and (l.paused_until is null or l.paused_until <= c.now)
       and (ready.leads >= 200 or ready.oldest < c.now - interval '1 s' or batch.leads is not null)
     limit 1);
end $body$;

-- The number of a tenant by its name, 0 for null.
create or replace function maintenance_tenant(tenant text) returns int language plpgsql stable as $body$
declare found_id int;
begin
    if tenant is null then return 0; end if;
    select t.tenant_id into found_id from tenant t where t.name = maintenance_tenant.tenant;
    if found_id is null then
        raise exception 'there is no tenant %', quote_literal(tenant) using errcode = 'no_data_found',
              hint = 'Names of tenants: lead-router tenants list. NULL asks for all tenants.';
    end if;
    return found_id;
end $body$;

-- What a script is called: as it says, else its application name.
create or replace function maintenance_name(called text) returns text language sql stable as $body$
    select left(coalesce(nullif(called, ''), nullif(current_setting('application_name'), ''), 'a script without a name'), 100)
$body$;

create or replace function take_turn(tenant text, rows bigint, run_for interval, alive_for interval default null, called text default null)
    returns table (may_delete bigint, turn bigint, until timestamptz, reason text, ask_again_at timestamptz)
    language plpgsql volatile security definer as $body$
#variable_conflict use_column
declare
    asked_at timestamptz := clock_timestamp();
    own_name text := maintenance_name(called);
    own_tenant int := maintenance_tenant(tenant);
    lock_key bigint := 'maintenance_run'::regclass::oid::bigint << 32;
    own maintenance_run;
    other maintenance_run;
    obstacle text;
    again interval := interval '1 s';
begin
    if rows is null or rows < 0 then
        raise exception 'rows is %, not how many rows are to be deleted', coalesce(rows::text, 'null') using errcode = 'invalid_parameter_value',
              hint = 'At least 1; 0 only asks whether a turn could be had.';
    elsif run_for is null or run_for < interval '1 s' or run_for > interval '1 day' then
        raise exception 'run_for is %, not between 1 second and 1 day', coalesce(run_for::text, 'null') using errcode = 'invalid_parameter_value';
    elsif alive_for < interval '1 s' or alive_for > interval '10 min' then
        raise exception 'alive_for is %, not between 1 second and 10 minutes', alive_for using errcode = 'invalid_parameter_value';
    elsif current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        raise exception 'this transaction is %, in which turns of others cannot be seen', current_setting('transaction_isolation')
              using errcode = 'feature_not_supported', hint = 'Ask in a transaction of isolation level READ COMMITTED.';
    end if;
    -- Until the transaction ends: whoever deletes in the one in which it asked keeps others away until then.
    if not (case own_tenant when 0 then pg_try_advisory_xact_lock(lock_key) else pg_try_advisory_xact_lock_shared(lock_key)
                 and pg_try_advisory_xact_lock(lock_key | own_tenant) end) then
        return query select 0::bigint, null::bigint, null::timestamptz, 'another script is asking, or cleans in the transaction in which it asked',
                            asked_at + again;
        return;
    end if;
    select * into other from maintenance_run r
     where r.turn is not null and least(r.until, r.alive_until) > asked_at and (own_tenant = 0 or r.tenant_id in (0, own_tenant)) limit 1;
    if found then
        obstacle := format('%s (role %s) has the turn until %s UTC at the latest', other.name, other.role,
                           to_char(other.until at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS'));
    else
        obstacle := maintenance_obstacle(own_tenant);
    end if;
    if rows = 0 then
        return query select 0::bigint, null::bigint, null::timestamptz, coalesce(obstacle, ''), case when obstacle is not null then asked_at + again end;
        return;
    end if;
    select * into own from maintenance_run r
     where r.tenant_id = own_tenant and r.role = session_user and r.name = own_name and r.last_at > asked_at - interval '10 min'
     order by r.run desc limit 1 for update skip locked;
    if not found then
        delete from maintenance_run r where r.tenant_id = own_tenant and r.last_at < asked_at - interval '30 days';
        insert into maintenance_run (tenant_id, role, name, began_at, last_at) values (own_tenant, session_user, own_name, asked_at, asked_at)
        returning * into own;
    end if;
    if obstacle is not null then
        update maintenance_run r set last_at = asked_at, refusals = r.refusals + 1, refused_why = obstacle
         where r.tenant_id = own_tenant and r.run = own.run;
        return query select 0::bigint, null::bigint, null::timestamptz, obstacle, asked_at + again;
        return;
    end if;
    if own.change_id is null then
        insert into change (tenant_id, actor, action, subject, after) values (own_tenant, session_user, 'maintenance', own_name, 'has a turn')
        returning id into own.change_id;
    end if;
    return query
    update maintenance_run r
       set turn = nextval('maintenance_turn_seq'), turn_at = asked_at, until = asked_at + run_for, alive_until = asked_at + alive_for,
           budget = rows, allowed = case when alive_for is null then rows else 0 end, turns = r.turns + 1, lapses = r.lapses + (r.turn is not null)::int, last_at = asked_at,
           change_id = own.change_id
     where r.tenant_id = own_tenant and r.run = own.run
    returning rows, r.turn, r.until, ''::text, null::timestamptz;
end $body$;

create or replace function may_clean(tenant text, rows bigint, in_turn bigint default null)
    returns table (may_delete bigint, turn bigint, until timestamptz, reason text, ask_again_at timestamptz)
    language plpgsql volatile security definer as $body$
#variable_conflict use_column
declare
    asked_at timestamptz := clock_timestamp();
    own_tenant int := maintenance_tenant(tenant);
    own maintenance_run;
    obstacle text;
begin
    if in_turn is null then
        return query select * from take_turn(tenant, case when rows > 10000 then 10000 else rows end, interval '1 min');
        return;
    elsif rows is null or rows < 1 then
        raise exception 'rows is %, not how many rows are to be deleted', coalesce(rows::text, 'null') using errcode = 'invalid_parameter_value';
    end if;
    select * into own from maintenance_run r where r.tenant_id = own_tenant and r.turn = in_turn and least(r.until, r.alive_until) > asked_at for update;
    if not found then
        return query select 0::bigint, null::bigint, null::timestamptz, format('turn %s is over', in_turn), null::timestamptz;
        return;
    end if;
    obstacle := case when own.allowed >= own.budget then format('the turn''s budget of %s rows is used up', own.budget)
                     else maintenance_obstacle(own_tenant) end;
    if obstacle is not null then
        update maintenance_run r set last_at = asked_at, refusals = r.refusals + 1, refused_why = obstacle
         where r.tenant_id = own_tenant and r.run = own.run;
        return query select 0::bigint, in_turn, own.until, obstacle, case when own.allowed < own.budget then asked_at + interval '1 s' end;
        return;
    end if;
    rows := least(rows, 10000, own.budget - own.allowed);
    update maintenance_run r set last_at = asked_at, allowed = r.allowed + rows where r.tenant_id = own_tenant and r.run = own.run;
    return query select rows, in_turn, own.until, ''::text, null::timestamptz;
end $body$;

-- Writes what a run has come to; is_over = its turn is given back, late where that is more than 30 s after its end.
create or replace function maintenance_note(of_tenant int, of_run int8, deleted bigint, is_over boolean) returns void language sql volatile as $body$
    with noted as (
        update maintenance_run r
           set removed = r.removed + deleted, last_at = c.now,
               turn = case when is_over then null else r.turn end,
               overruns = r.overruns + (is_over and c.late_s > 30)::int,
               overrun_s = case when is_over and c.late_s > 30 then greatest(r.overrun_s, c.late_s) else r.overrun_s end,
               overran_at = case when is_over and c.late_s > 30 then c.now else r.overran_at end
          from (select clock_timestamp() as now, o.run, coalesce(extract(epoch from clock_timestamp() - o.until), 0)::real as late_s
                  from maintenance_run o where o.tenant_id = of_tenant and o.run = of_run) c
         where r.tenant_id = of_tenant and r.run = of_run
        returning r.tenant_id, r.change_id, r.removed, r.turns)
    update change g set after = trim(to_char(n.removed, 'FM999,999,999,999,999')) || case n.removed when 1 then ' row' else ' rows' end || ' removed in '
                                || n.turns || case n.turns when 1 then ' turn' else ' turns' end
      from noted n where g.tenant_id = n.tenant_id and g.id = n.change_id
$body$;

create or replace function cleaning_done(tenant text, turn bigint, removed bigint) returns text
    language plpgsql volatile security definer as $body$
#variable_conflict use_column
declare
    own_tenant int := maintenance_tenant(tenant);
    own maintenance_run;
    is_late boolean;
begin
    if cleaning_done.turn is null then return 'no turn'; end if;
    if cleaning_done.removed is null or cleaning_done.removed < 0 then
        raise exception 'removed is %, not how many rows were deleted', coalesce(cleaning_done.removed::text, 'null')
              using errcode = 'invalid_parameter_value';
    end if;
    select * into own from maintenance_run r where r.tenant_id = own_tenant and r.turn = cleaning_done.turn for update;
    if not found then
        -- The same script has a later turn by now, or the turn was given back already: what was removed is counted all the same.
        select * into own from maintenance_run r
         where r.tenant_id = own_tenant and r.role = session_user and r.name = maintenance_name(null)
         order by r.run desc limit 1 for update;
        if not found then return 'unknown turn'; end if;
        perform maintenance_note(own_tenant, own.run, cleaning_done.removed, false);
        return 'late';
    end if;
    is_late := least(own.until, own.alive_until) < clock_timestamp();
    perform maintenance_note(own_tenant, own.run, cleaning_done.removed, own.alive_until is null);
    return case when is_late then 'late' else 'done' end;
end $body$;

create or replace function keep_turn(tenant text, turn bigint, alive_for interval) returns boolean
    language plpgsql volatile security definer as $body$
#variable_conflict use_column
declare
    own_tenant int := maintenance_tenant(tenant);
    own maintenance_run;
begin
    if alive_for is null or alive_for < interval '0' or alive_for > interval '10 min' then
        raise exception 'alive_for is %, not between 0 seconds and 10 minutes', coalesce(alive_for::text, 'null')
              using errcode = 'invalid_parameter_value', hint = '0 gives the turn back.';
    end if;
    select * into own from maintenance_run r where r.tenant_id = own_tenant and r.turn = keep_turn.turn for update;
    if not found then return false; end if;
    if alive_for = interval '0' then
        perform maintenance_note(own_tenant, own.run, 0, true);
        return true;
    end if;
    update maintenance_run r set alive_until = clock_timestamp() + alive_for, last_at = clock_timestamp()
     where r.tenant_id = own_tenant and r.run = own.run and least(r.until, r.alive_until) > clock_timestamp();
    return found;
end $body$;

-- The functions find our tables in our schema alone, whoever calls them; nobody may until somebody grants it. Scripts call them in
-- the schema lead_router. A role that may make no schema, and a second lead-router in one database, have them in their own only.
do $body$
declare
    own_schema text := current_schema();
    takes text;
begin
    foreach takes in array array['maintenance_obstacle(int)', 'maintenance_tenant(text)', 'maintenance_name(text)', 'maintenance_note(int,bigint,bigint,boolean)',
                                 'take_turn(text,bigint,interval,interval,text)', 'may_clean(text,bigint,bigint)',
                                 'cleaning_done(text,bigint,bigint)', 'keep_turn(text,bigint,interval)'] loop
        execute format('alter function %s set search_path = pg_catalog, %I, pg_temp', takes, own_schema);
        execute format('revoke all on function %s from public', takes);
    end loop;
    -- Of a role with that name it would be the first schema of its search path, where it would look for our tables.
    if to_regnamespace('lead_router') is null and has_database_privilege(current_database(), 'create')
       and not exists (select from pg_roles where rolname = 'lead_router') then
        create schema lead_router;
        if current_schema() <> own_schema then
            drop schema lead_router;
        end if;
    end if;
    if own_schema = 'lead_router' or to_regnamespace('lead_router') is null or not has_schema_privilege('lead_router', 'create')
       or to_regprocedure('lead_router.may_clean(text,bigint,bigint)') is not null then
        return;
    end if;
    foreach takes in array array[
        'take_turn(tenant text, rows bigint, run_for interval, alive_for interval default null, called text default null) returns table'
            ' (may_delete bigint, turn bigint, until timestamptz, reason text, ask_again_at timestamptz) | select * from take_turn($1, $2, $3, $4, $5)',
        'may_clean(tenant text, rows bigint, in_turn bigint default null) returns table'
            ' (may_delete bigint, turn bigint, until timestamptz, reason text, ask_again_at timestamptz) | select * from may_clean($1, $2, $3)',
        'cleaning_done(tenant text, turn bigint, removed bigint) returns text | select cleaning_done($1, $2, $3)',
        'keep_turn(tenant text, turn bigint, alive_for interval) returns boolean | select keep_turn($1, $2, $3)'] loop
        execute format('create function lead_router.%s language sql volatile security definer set search_path = pg_catalog, %I, pg_temp as %L',
                       split_part(takes, ' | ', 1), own_schema, split_part(takes, ' | ', 2));
        execute format('revoke all on function lead_router.%s from public', split_part(takes, '(', 1));
    end loop;
end $body$;

-- migrate: rollback

do $body$
declare
    door record;
begin
    for door in select p.oid::regprocedure as signature from pg_proc p
                 where p.pronamespace = to_regnamespace('lead_router') and current_schema() <> 'lead_router'
                   and p.proname in ('take_turn', 'may_clean', 'cleaning_done', 'keep_turn')
                   and exists (select from unnest(p.proconfig) c where c = format('search_path=pg_catalog, %I, pg_temp', current_schema())) loop
        execute format('drop function %s', door.signature);
    end loop;
    if current_schema() <> 'lead_router' and not exists (select from pg_proc where pronamespace = to_regnamespace('lead_router'))
       and not exists (select from pg_class where relnamespace = to_regnamespace('lead_router'))
       and exists (select from pg_namespace where nspname = 'lead_router' and pg_has_role(nspowner, 'usage')) then
        drop schema lead_router;
    end if;
end $body$;
drop function keep_turn(text, bigint, interval);
drop function cleaning_done(text, bigint, bigint);
drop function maintenance_note(int, bigint, bigint, boolean);
drop function may_clean(text, bigint, bigint);
drop function take_turn(text, bigint, interval, interval, text);
drop function maintenance_name(text);
drop function maintenance_tenant(text);
drop function maintenance_obstacle(int);
drop sequence maintenance_turn_seq;
drop table maintenance_run;
