-- name: owners(tenant_id, customers)
-- Who has these customers, as far as they have an owner.
select o.customer_id, o.rep_no from customer_owner o where o.tenant_id = :tenant_id and o.customer_id = any(:customers::bigint[]);

-- name: set_owners(tenant_id, customers, rep_nos)!
-- Gives customers to reps; the caller holds the lane.
insert into customer_owner (tenant_id, customer_id, rep_no)
select :tenant_id, o.customer_id, o.rep_no from unnest(:customers::bigint[], :rep_nos::int[]) as o(customer_id, rep_no)
    on conflict (tenant_id, customer_id) do update set rep_no = excluded.rep_no;
