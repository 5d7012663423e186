-- name: assign(tenant_id, lead_id, rep_no)!
-- What every peer writes for one lead: the assignment, to the customer's owner where there is one, else to this rep, who then owns the customer.
with l as (select tenant_id, lead_id, customer_id from lead where tenant_id = :tenant_id and lead_id = :lead_id),
chosen as (
    select coalesce((select o.rep_no from customer_owner o join l on o.tenant_id = l.tenant_id and o.customer_id = l.customer_id),
                    :rep_no::int) as rep_no),
owned as (
    insert into customer_owner (tenant_id, customer_id, rep_no)
    select l.tenant_id, l.customer_id, c.rep_no from l, chosen c where l.customer_id is not null
    on conflict do nothing)
insert into assignment (tenant_id, lead_id, rep_no, customer_id, assigned_at, batch_no, seq, rule_no, group_no)
select l.tenant_id, l.lead_id, c.rep_no, l.customer_id, clock_timestamp(), 1, 0, 0, null from l, chosen c;

-- name: next_lead(tenant_id)
-- The next waiting lead that nobody has locked, locked.
select lead_id from lead_pool where tenant_id = :tenant_id and wake_key = 0
 order by rank, queued_at, lead_id limit 1 for update skip locked;

-- name: owner_of(tenant_id, lead_id)
-- The rep who owns the lead's customer.
select o.rep_no from lead l join customer_owner o on o.tenant_id = l.tenant_id and o.customer_id = l.customer_id
 where l.tenant_id = :tenant_id and l.lead_id = :lead_id;

-- name: least_loaded(tenant_id)
-- A rep with the fewest open leads whom nobody has locked, locked.
select rep_no from rep_load where tenant_id = :tenant_id order by open, rep_no limit 1 for update skip locked;

-- name: take(tenant_id, lead_id)!
-- The lead waits no longer.
delete from lead_pool where tenant_id = :tenant_id and lead_id = :lead_id;

-- name: count_load(tenant_id, rep_no)!
-- The rep has one more.
update rep_load set open = open + 1, today = today + 1 where tenant_id = :tenant_id and rep_no = :rep_no;

-- name: no_loads(tenant_id)!
-- Every rep begins without leads.
insert into rep_load (tenant_id, rep_no, open, day, today) select tenant_id, rep_no, 0, current_date, 0 from rep where tenant_id = :tenant_id;

-- name: leads_of(tenant_id)
-- The tenant's leads in the order in which they came.
select lead_id from lead where tenant_id = :tenant_id order by lead_id;

-- name: results(tenant_ids)
-- What was written: assignments, and customers whose leads went to more than one rep.
with a as (select tenant_id, rep_no, customer_id from assignment where tenant_id = any(:tenant_ids::int[]))
select (select count(*) from a) as assigned,
       (select count(*) from (select from a where customer_id is not null group by tenant_id, customer_id having count(distinct rep_no) > 1) s) as split;
