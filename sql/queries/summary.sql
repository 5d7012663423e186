-- name: shares(tenant_id)
-- What each rep of each group got by share, and the credit that says what the rep deserved (2^-32 leads).
select g.name as group_name, r.rep_id, w.weight_milli, coalesce(got.leads, 0) as received, s.credit
from group_share gs
cross join lateral unnest(gs.reps, gs.credit) as s(rep_no, credit)
join grp g on g.tenant_id = gs.tenant_id and g.group_no = gs.group_no
join rep r on r.tenant_id = gs.tenant_id and r.rep_no = s.rep_no
join rep_row w on w.tenant_id = gs.tenant_id and w.rep_no = s.rep_no and w.to_version is null
left join (
    select t.group_no, t.rep_no, count(*)::int as leads
    from (
        select group_no, rep_no from assignment
        where tenant_id = :tenant_id and group_no is not null and rule_no is not null
        union all
        select group_no, rep_no from assignment_history
        where tenant_id = :tenant_id and group_no is not null and rule_no is not null
    ) t
    group by t.group_no, t.rep_no
) got on got.group_no = gs.group_no and got.rep_no = s.rep_no
where gs.tenant_id = :tenant_id
order by g.name, r.rep_id;

-- name: assigned_by_share(tenant_id)
-- The lead that was assigned last by a group's share; none before the first.
select lead_id from assignment
 where tenant_id = :tenant_id and group_no is not null and rule_no is not null
 order by batch_no desc, seq desc limit 1;

-- name: assigned_at_once(tenant_id)
-- Of the leads that were assigned by a group's share the moment they arrived, the last.
select a.lead_id from assignment a join lead l on l.tenant_id = a.tenant_id and l.lead_id = a.lead_id
 where a.tenant_id = :tenant_id and a.group_no is not null and a.assigned_at = l.received_at
 order by a.batch_no desc, a.seq desc limit 1;

-- name: assigned_late(tenant_id)
-- The assigned lead that arrived earliest before its assignment: it waited first.
select a.lead_id from assignment a join lead l on l.tenant_id = a.tenant_id and l.lead_id = a.lead_id
 where a.tenant_id = :tenant_id
 order by a.assigned_at - l.received_at desc, a.lead_id limit 1;

-- name: waiting(tenant_id)
-- A lead that was refused and waits: the one that comes next by priority and age.
select lead_id from lead_pool where tenant_id = :tenant_id and last_batch_no is not null
 order by rank, queued_at, lead_id limit 1;

-- name: parked(tenant_id)
-- The lead that was parked last.
select lead_id from parked where tenant_id = :tenant_id order by parked_at desc, lead_id desc limit 1;

-- name: assigned_of(tenant_id, lead_ids)
-- Which of these leads somebody has now.
select lead_id from assignment where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[]) order by lead_id;

-- name: median_wait(tenant_id)
-- Seconds from the creation of a lead to its first assignment: half of the leads waited less.
select percentile_cont(0.5) within group (order by extract(epoch from f.assigned_at - l.created_at))
from (
    select lead_id, min(assigned_at) as assigned_at
    from (
        select lead_id, assigned_at from assignment where tenant_id = :tenant_id
        union all
        select lead_id, assigned_at from assignment_history where tenant_id = :tenant_id
    ) t
    group by lead_id
) f
join lead l on l.tenant_id = :tenant_id and l.lead_id = f.lead_id;

-- name: ids_of(tenant_id)
-- All leads, by the ids of their file.
select external_id, lead_id from lead where tenant_id = :tenant_id order by lead_id;

-- name: empty()!
-- Removes everything, of all tenants, from a database that holds one replay and nothing else.
do $$ begin drop schema public cascade; create schema public; end $$;
