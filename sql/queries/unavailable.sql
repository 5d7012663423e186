-- name: groups(tenant_ids, now)
-- Groups of rosters in force that have members who could get leads, and none who is surely available: leave is judged elsewhere. Also
-- those that rules made of one rep, which no row of the roster names.
with of_groups as (
select r.tenant_id, g.group_no
  from rep_row r cross join unnest(r.groups) as g (group_no)
 where r.tenant_id = any(:tenant_ids::int[]) and r.to_version is null and r.active and r.weight_milli > 0
 group by r.tenant_id, g.group_no
having bool_and(not r.available or r.leave <> '' or coalesce(r.availability_held_until <= :now, false)))
select tenant_id, group_no from of_groups
union
select g.tenant_id, g.group_no
  from grp g
  join rep p on p.tenant_id = g.tenant_id and p.rep_id = substr(g.name, 5)
  join rep_row r on r.tenant_id = p.tenant_id and r.rep_no = p.rep_no and r.to_version is null
 where g.tenant_id = any(:tenant_ids::int[]) and g.name like 'rep:%' and r.active and r.weight_milli > 0
   and (not r.available or r.leave <> '' or coalesce(r.availability_held_until <= :now, false))
 order by 1, 2;

-- name: changed(tenant_id, rep_nos)
-- Since when reps are as available as the roster in force has them: since the last row that says something else.
select w.rep_no, v.at
  from rep_row w
  left join lateral (
       select y.to_version from rep_row y
        where y.tenant_id = w.tenant_id and y.rep_no = w.rep_no and y.from_version < w.from_version and y.active and y.available
        order by y.from_version desc limit 1) available on not w.available
  join roster_version v on v.tenant_id = w.tenant_id and v.version = coalesce(available.to_version, w.from_version)
 where w.tenant_id = :tenant_id and w.rep_no = any(:rep_nos::int[]) and w.to_version is null;

-- name: available_at(tenant_id, rep_nos, moments)
-- How many of these reps were available at each of these moments; no row for a moment before the first roster.
with m as materialized (
    select x.at, (select max(v.version) from roster_version v where v.tenant_id = :tenant_id and v.at <= x.at) as version
      from unnest(:moments::timestamptz[]) as x (at))
select m.at, count(w.rep_no) filter (where w.active and w.available) as available
  from m
 cross join unnest(:rep_nos::int[]) as n (rep_no)
  left join lateral (
       select y.rep_no, y.active, y.available, y.to_version from rep_row y
        where y.tenant_id = :tenant_id and y.rep_no = n.rep_no and y.from_version <= m.version
        order by y.from_version desc limit 1) w on w.to_version is null or w.to_version > m.version
 where m.version is not null
 group by m.at
 order by m.at;
