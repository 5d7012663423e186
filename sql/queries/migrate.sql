-- name: migration_lock()
-- Takes the right to change the schema, if nobody has it. Never waits: a waiter's snapshot would stop a concurrent index build.
select pg_try_advisory_lock(7236301684410);

-- name: bookkeeping()
-- The schema that is ours (null = none of the search path exists), and which tables of it say what was applied. Earlier
-- releases had `public._pogo_migration`, wherever the other tables were.
select current_schema() as own_schema,
       to_regclass(format('%I._lead_router_migration', current_schema())) is not null as is_there,
       exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                where n.nspname = 'public' and c.relname = '_pogo_migration' and has_schema_privilege(n.oid, 'usage'))
         and (current_schema() = 'public'
              or (to_regclass(format('%I.lane', current_schema())) is not null
                  and not exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                                   where n.nspname = 'public' and c.relname = 'lane'))) as is_old;

-- name: applied()
-- The ids of the migrations that were applied.
select migration_id from _lead_router_migration order by migration_id;

-- name: applied_before()
-- The same, as earlier releases kept it.
select migration_id from public._pogo_migration where schema_name = 'public' and migration_id ~ '^[0-9]{4}_' order by migration_id;

-- name: begin_bookkeeping()!
-- Makes the table of what was applied.
create table if not exists _lead_router_migration (
    migration_id text primary key, applied_at timestamptz not null default clock_timestamp());

-- name: take_over()!
-- What earlier releases wrote of it.
insert into _lead_router_migration (migration_id, applied_at)
select migration_id, applied from public._pogo_migration where schema_name = 'public' and migration_id ~ '^[0-9]{4}_' on conflict do nothing;

-- name: forget_old()!
-- An earlier release that is started again would take it for the truth. The table may have rows of others, and stays.
delete from public._pogo_migration where schema_name = 'public' and migration_id ~ '^[0-9]{4}_';

-- name: was_applied(migration_id)!
-- Notes it, in the migration's transaction.
insert into _lead_router_migration (migration_id) values (:migration_id);

-- name: was_taken_back(migration_id)!
-- Notes it, in the migration's transaction.
delete from _lead_router_migration where migration_id = :migration_id;

-- name: lock_timeout(timeout)
-- How long the statements that follow wait for a lock.
select set_config('lock_timeout', :timeout, false);
