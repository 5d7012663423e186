-- name: beat(process_id, instance, host, pid)!
-- A sign of life, with the first of which a process is known. Whoever others took for dead is back. Truly about all tenants.
insert into process (tenant_id, process_id, instance, host, pid) values (0, :process_id, :instance, :host, :pid)
    on conflict (tenant_id, process_id) do update set beat_at = clock_timestamp(), died_at = null;

-- name: on_host(name, process_id)
-- The processes of hosts of a name that are thought to live, besides the one that asks. Truly about all tenants.
select process_id, host, pid from process
 where tenant_id = 0 and split_part(host, ' ', 1) = :name and process_id <> :process_id and ended_at is null and died_at is null;

-- name: mark_dead(gone, silent_for_s)!
-- Those that are gone from their host, and those that have been silent for too long (null = that is not to be judged now).
update process set died_at = clock_timestamp()
 where tenant_id = 0 and ended_at is null and died_at is null
   and (process_id = any(:gone::bigint[]) or beat_at < clock_timestamp() - make_interval(secs => :silent_for_s::float8));

-- name: forget()!
-- What was over a week ago.
delete from process
 where tenant_id = 0 and coalesce(ended_at, died_at) < clock_timestamp() - interval '7 days';

-- name: end(process_id)!
-- It stops as it should.
update process set ended_at = clock_timestamp() where tenant_id = 0 and process_id = :process_id;

-- name: living(silent_for_s)
-- How many processes route leads. Truly about all tenants.
select count(*) from process
 where tenant_id = 0 and ended_at is null and died_at is null
   and beat_at > clock_timestamp() - make_interval(secs => :silent_for_s::float8);
