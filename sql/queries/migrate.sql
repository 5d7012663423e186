-- name: migration_lock()
-- Takes the right to change the schema, if nobody has it. Never waits: a waiter's snapshot would stop a concurrent index build.
select pg_try_advisory_lock(7236301684410);

-- name: has_migrations()
-- Whether any migration was ever applied here.
select to_regclass('public._pogo_migration') is not null;

-- name: applied_migrations()
-- The ids of the migrations that were applied.
select migration_id from public._pogo_migration where schema_name = 'public' order by migration_id;
