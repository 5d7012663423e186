-- name: judge_abort(tenant_id, is_new, careful_from, careful_leads)
-- A holder's transaction was rolled back: did a process crash then? It did if one died, without having stopped, that has
-- given no sign of life since, and not of a lead that was found; each counts once in a lane. From `careful_from` crashes on, so many leads are taken one at a
-- time. Whoever died may be found dead a little later, so aborted_at stays for a while; then it was no crash.
with moment as (
    select case when :is_new::boolean or aborted_at is null then clock_timestamp() else aborted_at end as at, crashed_by,
           clock_timestamp() as now, clock_timestamp() - interval '60 s' as lately,
           case when crashed_at > clock_timestamp() - interval '10 min' then crashes else 0 end as crashes
      from lane where tenant_id = :tenant_id),
gone as (
    select array_agg(p.process_id) as process_ids
      from moment m
      join process p on p.tenant_id = 0 and p.died_at is not null and p.ended_at is null and p.explained_at is null
       and p.process_id <> all(m.crashed_by) and p.beat_at between m.at - interval '10 min' and m.at)
update lane l
   set crashes = n.crashes,
       crashed_at = case when n.crashed then m.now else l.crashed_at end,
       crashed_by = case when n.crashed then l.crashed_by[greatest(1, cardinality(l.crashed_by) - 50):] || gone.process_ids
                         else l.crashed_by end,
       careful = case when n.crashed and n.crashes >= :careful_from then :careful_leads else l.careful end,
       noted_lead = case when n.crashed and n.crashes < :careful_from then null else l.noted_lead end,
       noted_crashes = case when n.crashed and n.crashes < :careful_from then 0
                            when n.crashed and l.noted_lead is not null and gone.process_ids && l.noted_by then l.noted_crashes + 1
                            else l.noted_crashes end,
       aborted_at = case when not n.crashed and m.at > m.lately then m.at end
  from gone, moment m,
       lateral (select gone.process_ids is not null as crashed, m.crashes + (gone.process_ids is not null)::int as crashes) n
 where l.tenant_id = :tenant_id
returning n.crashed, l.crashes;

-- name: deaths()
-- How many processes died within ten minutes, in whatever they did. Truly about all tenants.
select count(*) from process
 where tenant_id = 0 and ended_at is null and died_at > clock_timestamp() - interval '10 min';

-- name: next_suspect(tenant_id)
-- The lead that comes next of those that were ready when the last process crashed: of ready ones only such a lead can have been
-- in its hands, however many more urgent ones have come since.
select lead_id from lead_pool
 where tenant_id = :tenant_id and wake_key = 0 and queued_at <= (select crashed_at from lane where tenant_id = :tenant_id)
 order by rank, queued_at, lead_id limit 1 for update skip locked;

-- name: note_lead(tenant_id, lead_id, process_id)!
-- Notes the lead that is taken next, and nothing else with it, and who takes it.
update lane set noted_lead = :lead_id, noted_crashes = 0, noted_by = array[:process_id::bigint] where tenant_id = :tenant_id;

-- name: note_taker(tenant_id, process_id)!
-- Notes who takes the noted lead next.
update lane set noted_by = noted_by || :process_id::bigint where tenant_id = :tenant_id;

-- name: lead_came_through(tenant_id, process_id, rest)!
-- After a lead that was taken alone: the next one is noted, or none when enough came through. In turns it is the first of all
-- ready ones, the first that was ready when somebody crashed, and every eighth time (null, to be looked for) one that waits; when none is ready any
-- more that was then, `rest` are left at most, and none when all who crashed here died of a lead that was found elsewhere.
with next as (
    select (select lead_id from lead_pool where tenant_id = :tenant_id and wake_key = 0
             order by rank, queued_at, lead_id limit 1) as first,
           (select lead_id from lead_pool where tenant_id = :tenant_id and wake_key = 0 and queued_at <= l.crashed_at
             order by rank, queued_at, lead_id limit 1) as suspect,
           (select coalesce(bool_and(p.explained_at is not null), false) from process p
             where p.tenant_id = 0 and p.process_id = any(l.crashed_by) and p.died_at > clock_timestamp() - interval '10 min') as explained
      from lane l where l.tenant_id = :tenant_id),
after as (
    select n.first, n.suspect,
           case when n.explained then 0
                else greatest(case when n.suspect is null then least(l.careful, :rest) else l.careful end - 1, 0) end as careful
      from lane l, next n where l.tenant_id = :tenant_id)
update lane l set crashes = case when l.careful > 1 and a.careful > 0 then crashes else 0 end,
       careful = a.careful,
       noted_by = array[:process_id::bigint], noted_crashes = 0,
       noted_lead = case when l.careful > 1 and a.careful > 0
                         then case when (l.careful - 1) % 8 = 0 then null
                                   when (l.careful - 1) % 2 = 1 then coalesce(a.suspect, a.first) else a.first end end
  from after a
 where l.tenant_id = :tenant_id;

-- name: forget_note(tenant_id)!
-- The noted lead is not there any more, or somebody else has it locked.
update lane set noted_lead = null, noted_crashes = 0, noted_by = '{}' where tenant_id = :tenant_id;

-- name: end_quarantine(tenant_id)!
-- The lead that crashed the holders is parked: batches are as usual again, and it is known of what these processes died. Locked in
-- one order, since two lanes may park their leads at once.
with crashed as (
    select p.process_id from process p join lane l on l.tenant_id = :tenant_id
     where p.tenant_id = 0 and p.process_id = any(l.crashed_by || l.noted_by)
       and p.ended_at is null and p.died_at > clock_timestamp() - interval '10 min'
     order by p.process_id for update of p),
known as (
    update process p set explained_at = statement_timestamp() from crashed c where p.tenant_id = 0 and p.process_id = c.process_id)
update lane set crashes = 0, crashed_at = null, careful = 0, noted_lead = null, noted_crashes = 0, noted_by = '{}' where tenant_id = :tenant_id;
