-- name: unplaced(tenant_id)
-- Whether events of the tenant have no place in the order yet.
select exists (select from event where tenant_id = :tenant_id and position is null);

-- name: open_feed(tenant_id)!
-- The row of a tenant's feed, where there is none yet.
insert into event_feed (tenant_id) values (:tenant_id) on conflict (tenant_id) do nothing;

-- name: hold_feed(tenant_id)
-- The right to give places to the tenant's events, or no row when somebody else has it; places are given in a statement of its own,
-- which sees all that was committed before.
select last_position from event_feed where tenant_id = :tenant_id for update skip locked;

-- name: place(tenant_id, after, limit)
-- Gives the next places to events that were committed, in the order in which they were written; the caller holds the feed.
with fresh as (
    select event_no, :after::bigint + row_number() over (order by event_no) as position
      from (select event_no from event where tenant_id = :tenant_id and position is null order by event_no limit :limit) as n),
placed as (
    update event e set position = fresh.position from fresh
     where e.tenant_id = :tenant_id and e.event_no = fresh.event_no
    returning e.position)
update event_feed set last_position = greatest(last_position, (select max(position) from placed))
 where tenant_id = :tenant_id
returning (select count(*) from placed)::int as placed;

-- name: state(tenant_id)
-- Where the tenant's feed stands, and whether events have no place in it yet.
select t.events_since, coalesce(f.last_position, 0) as last_position, coalesce(f.removed_upto, 0) as removed_upto, f.removed_until,
       exists (select from event e where e.tenant_id = :tenant_id and e.position is null) as unplaced
  from tenant t left join event_feed f on f.tenant_id = t.tenant_id where t.tenant_id = :tenant_id;

-- name: first_since(tenant_id, since)
-- The place in the order of the first event that happened since a time; null where there is none. Times rise with places nearly always, not
-- always (an import takes over times of before), so that it looks from the oldest on: for people who begin, not for each page.
select position from event where tenant_id = :tenant_id and position is not null and at >= :since::timestamptz order by position limit 1;

-- name: steady_plans()!
-- Until the transaction ends: along the index, in its order, up to the limit. How many rows come after a position, and how many events
-- a row holds, is not known to the planner: it would sort all that there are.
set local jit = off; set local plan_cache_mode = force_custom_plan; set local enable_sort = off; set local enable_seqscan = off;
set local enable_bitmapscan = off;

-- name: page(tenant_id, position, place, types, lead_id, limit)
-- Events after a place in the order, and where the feed stands, in one snapshot: at least one row, without an event when there is none.
-- Rows that are needed for the limit are found by their sizes, so that no more arrays are opened; the rest is looked up row by row.
select f.last_position, f.removed_upto, f.removed_until, p.*
  from (select coalesce(max(last_position), 0) as last_position, coalesce(max(removed_upto), 0) as removed_upto,
               max(removed_until) as removed_until
          from event_feed where tenant_id = :tenant_id) f
  left join lateral (
       select x.position, x.place, x.event_no, x.type, x.at, x.ruleset, x.lead_id, l.source, l.external_id, r.rep_id, n.name as rep_name,
              b.rep_id as previous_rep_id, o.name as previous_rep_name, x.previous, x.target, x.rule_no, g.name as group_name, x.word
         from (select e.position, u.place, e.event_no, e.type, e.at, e.ruleset, u.lead_id, u.rep_no, u.previous, u.target, u.rule_no,
                      u.group_no, u.word
                 from (select * from (
                              select position, event_no, type, at, ruleset, leads, reps, previous, targets, rules, groups, words,
                                     sum(case when :lead_id::bigint is null then size else 1 end) over (order by position) - size as before
                                from event
                               where tenant_id = :tenant_id and position >= :position::bigint and position <= f.last_position
                                 and (:types::text[] is null or type = any(:types)) and (:lead_id is null or leads @> array[:lead_id])
                               order by position limit :limit::int + 1) as sized
                        where before <= :limit::int + :place::int) e
                cross join lateral unnest(e.leads, e.reps, e.previous, e.targets, e.rules, e.groups, e.words) with ordinality
                        as u(lead_id, rep_no, previous, target, rule_no, group_no, word, place)
                where (e.position > :position or u.place > :place) and (:lead_id is null or u.lead_id = :lead_id)
                order by e.position, u.place limit :limit) x
         left join lateral (select source, external_id from lead where tenant_id = :tenant_id and lead_id = x.lead_id
                            union all select source, external_id from archived where tenant_id = :tenant_id and lead_id = x.lead_id
                            union all select source, external_id from removed_lead where tenant_id = :tenant_id and lead_id = x.lead_id
                            limit 1) l on true
         left join lateral (select rep_id from rep where tenant_id = :tenant_id and rep_no = x.rep_no limit 1) r on true
         left join lateral (select name from rep_row where tenant_id = :tenant_id and rep_no = x.rep_no and to_version is null limit 1) n on true
         left join lateral (select rep_id from rep where tenant_id = :tenant_id and rep_no = x.previous and x.type = 'lead.reassigned'
                             limit 1) b on true
         left join lateral (select name from rep_row where tenant_id = :tenant_id and rep_no = x.previous and x.type = 'lead.reassigned'
                               and to_version is null limit 1) o on true
         left join lateral (select name from grp where tenant_id = :tenant_id and group_no = x.group_no limit 1) g on true) p on true
 order by p.position, p.place;

-- name: keys_before(tenant_id, position, place, limit)
-- The latest events before a place in the order (no position: the last ones that have a place): the number of the row, the place in it. No more
-- rows are read than are needed for the limit.
select e.event_no, n.place
  from (select * from (
               select event_no, position, before_place, sum(before_place) over (order by position desc) - before_place as later
                 from (select event_no, position, case when position = :position::bigint then least(size, greatest(:place::int - 1, 0)) else size end as before_place
                         from event
                        where tenant_id = :tenant_id and position is not null and (:position::bigint is null or position <= :position)
                        order by position desc limit :limit::int + 1) as rows) as counted
         where later < :limit) e
 cross join lateral generate_series(1, e.before_place) as n(place)
 order by e.position desc, n.place desc limit :limit;

-- name: named(tenant_id, event_nos, places)
-- Single events by their numbers.
select e.position, x.place, e.event_no, e.type, e.at, e.ruleset, x.lead_id, l.source, l.external_id, r.rep_id, n.name as rep_name,
       b.rep_id as previous_rep_id, o.name as previous_rep_name, x.previous, x.target, x.rule_no, g.name as group_name, x.word
  from unnest(:event_nos::bigint[], :places::int[]) as wanted(event_no, place)
  join event e on e.tenant_id = :tenant_id and e.event_no = wanted.event_no
 cross join lateral (select wanted.place, e.leads[wanted.place] as lead_id, e.reps[wanted.place] as rep_no,
                            e.previous[wanted.place] as previous, e.targets[wanted.place] as target, e.rules[wanted.place] as rule_no,
                            e.groups[wanted.place] as group_no, e.words[wanted.place] as word) x
  left join lateral (select source, external_id from lead where tenant_id = :tenant_id and lead_id = x.lead_id
                     union all select source, external_id from archived where tenant_id = :tenant_id and lead_id = x.lead_id
                            union all select source, external_id from removed_lead where tenant_id = :tenant_id and lead_id = x.lead_id
                     limit 1) l on true
  left join rep r on r.tenant_id = :tenant_id and r.rep_no = x.rep_no
  left join rep_row n on n.tenant_id = :tenant_id and n.rep_no = x.rep_no and n.to_version is null
  left join rep b on b.tenant_id = :tenant_id and b.rep_no = x.previous and e.type = 'lead.reassigned'
  left join rep_row o on o.tenant_id = :tenant_id and o.rep_no = b.rep_no and o.to_version is null
  left join grp g on g.tenant_id = :tenant_id and g.group_no = x.group_no
 where e.position is not null
 order by e.position, x.place;

-- name: feeds()
-- Where the feeds of all tenants stand that have events. Truly about all tenants.
select t.tenant_id, t.name, coalesce(f.last_position, 0) as last_position, coalesce(f.removed_upto, 0) as removed_upto,
       (select e.at from event e where e.tenant_id = l.tenant_id and e.position is null order by e.event_no limit 1) as unplaced_since
  from lane l join tenant t on t.tenant_id = l.tenant_id left join event_feed f on f.tenant_id = l.tenant_id
 order by t.tenant_id;

-- name: feeds_among(tenant_ids)
-- As feeds, of some: while a server that has rows of others does not answer.
select t.tenant_id, t.name, coalesce(f.last_position, 0) as last_position, coalesce(f.removed_upto, 0) as removed_upto,
       (select e.at from event e where e.tenant_id = l.tenant_id and e.position is null order by e.event_no limit 1) as unplaced_since
  from lane l join tenant t on t.tenant_id = l.tenant_id left join event_feed f on f.tenant_id = l.tenant_id
 where l.tenant_id = any(:tenant_ids::int[])
 order by t.tenant_id;

-- name: remove(tenant_id, before, limit)
-- Removes the oldest events of a tenant that are past the retention, and remembers up to where; how many rows.
with old as (
    select event_no, position, at from event
     where tenant_id = :tenant_id and position is not null order by position limit :limit),
kept as (select min(position) as first from old where at >= :before::timestamptz),
gone as (
    delete from event e using old, kept
     where e.tenant_id = :tenant_id and e.event_no = old.event_no and (kept.first is null or old.position < kept.first)
    returning e.position, e.at),
marked as (
    update event_feed f set removed_upto = greatest(f.removed_upto, g.position), removed_until = greatest(f.removed_until, g.at)
      from (select max(position) as position, max(at) as at from gone) g
     where f.tenant_id = :tenant_id and g.position is not null)
select count(*)::int from gone;

-- name: switch(tenant_id, enabled)
-- Switches the writing of events on or off; how it was before.
with before as (select events_since, clock_timestamp() as now from tenant where tenant_id = :tenant_id for update)
update tenant t set events_since = case when not :enabled::boolean then null else coalesce(t.events_since, before.now) end
  from before where t.tenant_id = :tenant_id
returning before.events_since as before, t.events_since;
