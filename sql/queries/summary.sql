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
