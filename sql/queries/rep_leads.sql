-- name: open_leads(tenant_id, rep_ids)
-- How many leads each of these reps has now; those who have none are left out.
select r.rep_id, count(*)::int as leads
  from rep r join assignment a on a.tenant_id = r.tenant_id and a.rep_no = r.rep_no
 where r.tenant_id = :tenant_id and r.rep_id = any(:rep_ids::text[])
 group by r.rep_id;

-- name: oldest_leads(tenant_id, rep_nos)
-- Since when each of these reps has had the oldest lead; those who have none are left out.
select rep_no, min(assigned_at) as oldest from assignment
 where tenant_id = :tenant_id and rep_no = any(:rep_nos::int[])
 group by rep_no;

-- name: received(tenant_id, since)
-- How many leads each rep got by share since a time, by group, whatever became of them.
select group_no, rep_no, sum(leads)::int as leads
  from (select group_no, rep_no, count(*) as leads from assignment
         where tenant_id = :tenant_id and assigned_at >= :since and group_no is not null
         group by group_no, rep_no
        union all
        select group_no, rep_no, count(*) from assignment_history
         where tenant_id = :tenant_id and ended_at >= :since and assigned_at >= :since and group_no is not null
         group by group_no, rep_no) as given
 group by group_no, rep_no;
