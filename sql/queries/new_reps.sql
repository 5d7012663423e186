-- name: without_leads(tenant_ids, since, until, limit)
-- Active and available reps in a group who came to the roster between these times and never had a lead, the first that came first.
select r.tenant_id, r.rep_no, p.rep_id, v.at, r.groups
  from roster_version v
  join rep_row f on f.tenant_id = v.tenant_id and f.from_version = v.version
  join rep_row r on r.tenant_id = f.tenant_id and r.rep_no = f.rep_no and r.to_version is null
  join rep p on p.tenant_id = r.tenant_id and p.rep_no = r.rep_no
 where v.tenant_id = any(:tenant_ids::int[]) and v.at between :since and :until
   and r.active and r.available and r.groups <> '{}' and r.weight_milli > 0
   and coalesce(r.max_open, 1) > 0 and coalesce(r.max_per_day, 1) > 0
   and not exists (select from rep_row b where b.tenant_id = f.tenant_id and b.rep_no = f.rep_no and b.from_version < f.from_version)
   and not exists (select from assignment a where a.tenant_id = r.tenant_id and a.rep_no = r.rep_no)
   and not exists (select from assignment_history h where h.tenant_id = r.tenant_id and h.rep_no = r.rep_no)
 order by r.tenant_id, v.at, p.rep_id limit :limit;

-- name: colleagues(tenant_id, rep_no, groups, since, limit)
-- Of some other active members of these groups: how many there are, and how many of them got a lead since then.
select count(*) as members,
       count(*) filter (where exists (select from assignment a where a.tenant_id = :tenant_id and a.rep_no = m.rep_no and a.assigned_at > :since)
                           or exists (select from assignment_history h where h.tenant_id = :tenant_id and h.rep_no = m.rep_no and h.ended_at > :since
                                         and h.assigned_at > :since)) as served
  from (select rep_no from rep_row
         where tenant_id = :tenant_id and to_version is null and active and rep_no <> :rep_no and groups && :groups::int[] limit :limit) m;
