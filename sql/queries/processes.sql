-- name: beat(process_id, instance, host, pid, version, host_now, recent_s, jump_s)
-- A sign of life, with the first of which a process is known. Whoever others took for dead is back. confirmed = the clock of
-- another process's host agrees with the database's, as it is now. Truly about all tenants.
with beaten as (
    insert into process (tenant_id, process_id, instance, host, pid, version, beat_at, host_ahead_s)
    values (0, :process_id, :instance, :host, :pid, :version, clock_timestamp(), extract(epoch from :host_now::timestamptz - clock_timestamp()))
        on conflict (tenant_id, process_id) do update
       set beat_at = excluded.beat_at, died_at = null, explained_at = null, host_ahead_s = excluded.host_ahead_s
    returning clock_disputed)
select clock_timestamp() as clock, clock_disputed,
       exists (select from process o
                where o.tenant_id = 0 and o.process_id <> :process_id and abs(o.host_ahead_s) <= :jump_s
                  and o.beat_at between clock_timestamp() - make_interval(secs => :recent_s::float8)
                                    and clock_timestamp() + interval '1 s') as confirmed
  from beaten;

-- name: on_host(name, process_id)
-- The processes of hosts of a name that are thought to live, besides the one that asks. Truly about all tenants.
select process_id, host, pid from process
 where tenant_id = 0 and split_part(host, ' ', 1) = :name and process_id <> :process_id and ended_at is null and died_at is null;

-- name: mark_dead(gone, silent_for_s)!
-- Those that are gone from their host, and those that have been silent for too long (null = that is not to be judged now).
update process set died_at = statement_timestamp()
 where tenant_id = 0 and ended_at is null and died_at is null
   and (process_id = any(:gone::bigint[]) or beat_at < statement_timestamp() - make_interval(secs => :silent_for_s::float8));

-- name: confirmed(tenant_id, recent_s, confirmed_s)
-- Whether a router believes the database's clock, as it is now, or somebody has said of this tenant that it is right. Processes are truly of all tenants.
select exists (select from process o
                where o.tenant_id = 0 and o.host_ahead_s is not null and not o.clock_disputed
                  and o.beat_at between clock_timestamp() - make_interval(secs => :recent_s::float8)
                                    and clock_timestamp() + interval '1 s')
    or exists (select from lane l
                where l.tenant_id = :tenant_id
                  and l.clock_confirmed_until between clock_timestamp()
                                                  and clock_timestamp() + make_interval(secs => :confirmed_s::float8));

-- name: say_disputed(process_id, disputed)!
-- Whether a process does not know what time it is, and routes nothing.
update process set clock_disputed = :disputed where tenant_id = 0 and process_id = :process_id;

-- name: not_from_the_future()!
-- Signs of life of a time to come: whoever lives gives another one. Until then nobody bears witness for the clock that is behind.
update process set beat_at = m.now, host_ahead_s = null, died_at = case when died_at > m.now then m.now else died_at end
  from (select statement_timestamp() as now, statement_timestamp() + interval '1 min' as soon) m
 where tenant_id = 0 and beat_at > m.soon;

-- name: forget()!
-- What was over a week ago.
delete from process
 where tenant_id = 0 and coalesce(ended_at, died_at) < statement_timestamp() - interval '7 days';

-- name: end(process_id)!
-- It stops as it should.
update process set ended_at = statement_timestamp() where tenant_id = 0 and process_id = :process_id;

-- name: living(silent_for_s)
-- How many processes route leads. Truly about all tenants.
select count(*) from process
 where tenant_id = 0 and ended_at is null and died_at is null
   and beat_at > clock_timestamp() - make_interval(secs => :silent_for_s::float8);

-- name: clocks(silent_for_s)
-- By how many seconds the hosts' clocks are ahead of the database's, of the processes that route leads. Truly about all tenants.
select instance, host_ahead_s, clock_disputed from process
 where tenant_id = 0 and ended_at is null and died_at is null and host_ahead_s is not null
   and beat_at > clock_timestamp() - make_interval(secs => :silent_for_s::float8)
 order by instance;

-- name: versions(silent_for_s)
-- Of which version the processes are that route leads. Truly about all tenants.
select instance, version from process
 where tenant_id = 0 and ended_at is null and died_at is null
   and beat_at > clock_timestamp() - make_interval(secs => :silent_for_s::float8)
 order by instance;

-- name: known(limit)
-- The processes that route leads, or did in the last week: the latest sign of life first. Truly about all tenants.
select process_id, instance, host, pid, version, started_at, beat_at, ended_at, died_at, host_ahead_s, clock_disputed
  from process where tenant_id = 0 order by beat_at desc limit :limit;
