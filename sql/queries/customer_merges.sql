-- name: match_rules(tenant_id)
-- The match rules in force.
select version, applied_at, author, note, source from customer_rules where tenant_id = :tenant_id order by version desc limit 1;

-- name: put_match_rules(tenant_id, author, note, source)
-- Stores match rules as the next version.
insert into customer_rules (tenant_id, version, author, note, source)
select :tenant_id, coalesce(max(version), 0) + 1, :author, :note, :source from customer_rules where tenant_id = :tenant_id
returning version;

-- name: hold_customers(tenant_id, customers)
-- Locks the keys of these customers, in the order in which intakes lock them.
select key from customer_key
 where tenant_id = :tenant_id and customer_id = any(:customers::bigint[])
 order by key
   for update;

-- name: hold_leads(tenant_id, customers)
-- Waits for whoever has locked leads of these customers where they are now, and locks them; how many there are.
with theirs as (select lead_id from lead where tenant_id = :tenant_id and customer_id = any(:customers::bigint[])),
     waiting as (select from lead_pool where tenant_id = :tenant_id and lead_id in (select lead_id from theirs) order by lead_id for update),
     assigned as (select from assignment where tenant_id = :tenant_id and lead_id in (select lead_id from theirs) order by lead_id for update)
select (select count(*) from waiting) + (select count(*) from assigned);

-- name: hold_leads_now(tenant_id, customers)
-- The same without waiting, an error instead: whoever holds the lane waits for nobody.
with theirs as (select lead_id from lead where tenant_id = :tenant_id and customer_id = any(:customers::bigint[])),
     waiting as (select from lead_pool where tenant_id = :tenant_id and lead_id in (select lead_id from theirs) order by lead_id for update nowait),
     assigned as (select from assignment where tenant_id = :tenant_id and lead_id in (select lead_id from theirs) order by lead_id for update nowait)
select (select count(*) from waiting) + (select count(*) from assigned);

-- name: keys_of(tenant_id, customers)
-- The keys of these customers.
select key, customer_id, shared_as from customer_key
 where tenant_id = :tenant_id and customer_id = any(:customers::bigint[])
 order by key;

-- name: leads_of(tenant_id, customers)
-- The leads of these customers, with where each is now; the first that came first.
select l.lead_id, l.customer_id, l.source, l.external_id, l.created_at, l.received_at, l.name, l.phone, l.email, l.company,
       l.declared_customer,
       case when p.lead_id is not null then 'waiting' when a.lead_id is not null then 'assigned' when x.lead_id is not null then 'parked'
            when m.lead_id is not null then 'merged' when c.lead_id is not null then 'closed' end as state,
       a.rep_no, m.into_lead_id
  from lead l
  left join lead_pool p on p.tenant_id = l.tenant_id and p.lead_id = l.lead_id
  left join assignment a on a.tenant_id = l.tenant_id and a.lead_id = l.lead_id
  left join parked x on x.tenant_id = l.tenant_id and x.lead_id = l.lead_id
  left join merged m on m.tenant_id = l.tenant_id and m.lead_id = l.lead_id
  left join closed c on c.tenant_id = l.tenant_id and c.lead_id = l.lead_id
 where l.tenant_id = :tenant_id and l.customer_id = any(:customers::bigint[])
 order by l.lead_id;

-- name: given(tenant_id, leads)
-- Every assignment that these leads have or had.
select lead_id, rep_no, assigned_at, batch_no from assignment where tenant_id = :tenant_id and lead_id = any(:leads::bigint[])
union all
select lead_id, rep_no, assigned_at, batch_no from assignment_history where tenant_id = :tenant_id and lead_id = any(:leads::bigint[]);

-- name: owner_of(tenant_id, customer_id)
-- The rep who has the customer, by number.
select rep_no from customer_owner where tenant_id = :tenant_id and customer_id = :customer_id;

-- name: put_owner(tenant_id, customer_id, rep_no)!
-- Gives the customer to a rep.
insert into customer_owner (tenant_id, customer_id, rep_no) values (:tenant_id, :customer_id, :rep_no)
    on conflict (tenant_id, customer_id) do update set rep_no = excluded.rep_no;

-- name: drop_owner(tenant_id, customer_id)!
-- Nobody has the customer any more.
delete from customer_owner where tenant_id = :tenant_id and customer_id = :customer_id;

-- name: move_keys(tenant_id, keys, customer_id)!
-- Gives keys to a customer; the caller holds them.
update customer_key set customer_id = :customer_id where tenant_id = :tenant_id and key = any(:keys::uuid[]);

-- name: move_assignments(tenant_id, leads, customer_id)!
-- Current assignments follow their leads to a customer. Comes before the pool: a lead that is given back meanwhile is then in one of both.
update assignment set customer_id = :customer_id where tenant_id = :tenant_id and lead_id = any(:leads::bigint[]);

-- name: move_waiting(tenant_id, leads, customer_id)!
-- Waiting leads follow to a customer; the caller holds the lane.
update lead_pool set customer_id = :customer_id where tenant_id = :tenant_id and lead_id = any(:leads::bigint[]);

-- name: move_leads(tenant_id, leads, customer_id)!
-- Leads follow to a customer, which is an event.
with happened as (
    insert into event (tenant_id, type, at, leads, previous, targets)
    select t.tenant_id, 'lead.customer_changed', clock_timestamp(), array_agg(l.lead_id order by l.lead_id),
           array_agg(l.customer_id order by l.lead_id), array_agg(:customer_id::bigint)
      from lead l join tenant t on t.tenant_id = l.tenant_id and t.events_since is not null
     where l.tenant_id = :tenant_id and l.lead_id = any(:leads::bigint[])
     group by t.tenant_id)
update lead set customer_id = :customer_id where tenant_id = :tenant_id and lead_id = any(:leads::bigint[]);

-- name: decide_again(tenant_id, customers)
-- Tells the lane to look at the waiting leads of these customers again.
with news as (
    insert into lane_inbox (tenant_id, lead_id)
    select tenant_id, lead_id from lead_pool
     where tenant_id = :tenant_id and customer_id = any(:customers::bigint[]) and wake_key <> 0
    returning lead_id)
select count(*)::int, pg_notify('lead_router', :tenant_id::int::text) from news;

-- name: put_merge(tenant_id, merged_at, actor, note, batch_no, customer_id, into_customer_id, owner_before, into_owner_before, owner_after, keys, leads)
-- Records a merge.
insert into customer_merge (tenant_id, merged_at, actor, note, batch_no, customer_id, into_customer_id, owner_before, into_owner_before,
                            owner_after, keys, leads)
values (:tenant_id, :merged_at, :actor, :note, :batch_no, :customer_id, :into_customer_id, :owner_before, :into_owner_before, :owner_after,
        :keys::uuid[], :leads::bigint[])
returning merge_id;

-- name: merge_numbered(merge_id)
-- One merge; numbers are unique over all tenants.
select m.* from tenant t join customer_merge m on m.tenant_id = t.tenant_id and m.merge_id = :merge_id;

-- name: merged_away(tenant_id, customers)
-- Those of the customers that are part of another one now.
select customer_id, into_customer_id, merge_id from customer_merge
 where tenant_id = :tenant_id and customer_id = any(:customers::bigint[]) and parted_at is null;

-- name: merges_of(tenant_id, customer_id)
-- Every merge in which a customer took part.
select * from customer_merge
 where tenant_id = :tenant_id and (customer_id = :customer_id or into_customer_id = :customer_id)
 order by merge_id;

-- name: close_merge(tenant_id, merge_id, at, actor, note)!
-- Records that a merge was undone.
update customer_merge set parted_at = :at, parted_by = :actor, parted_note = :note
 where tenant_id = :tenant_id and merge_id = :merge_id and parted_at is null;

-- name: customer_of_key(tenant_id, key)
-- The customer of a key.
select customer_id, shared_as from customer_key where tenant_id = :tenant_id and key = :key::uuid;

-- name: knows_customer(tenant_id, customer_id)
-- Whether a customer of this number has leads or keys, or became a part of another one.
select exists (select from lead where tenant_id = :tenant_id and customer_id = :customer_id)
    or exists (select from customer_key where tenant_id = :tenant_id and customer_id = :customer_id)
    or exists (select from customer_merge where tenant_id = :tenant_id and :customer_id in (customer_id, into_customer_id));

-- name: customer_of_lead(tenant_id, lead_id)
-- The customer of a lead.
select customer_id from lead where tenant_id = :tenant_id and lead_id = :lead_id;

-- name: shared_keys(tenant_id, limit)
-- Keys that tie nobody any more, the newest first, and how many leads the customer has whom they tied until then.
select k.shared_as, k.shared_at, k.people, k.customer_id,
       (select count(*) from lead l where l.tenant_id = k.tenant_id and l.customer_id = k.customer_id)::int as leads
  from customer_key k
 where k.tenant_id = :tenant_id and k.shared_at is not null
 order by k.shared_at desc, k.key
 limit :limit;

-- name: rep_ids(tenant_id, rep_nos)
-- The CRM's ids of rep numbers.
select rep_no, rep_id from rep where tenant_id = :tenant_id and rep_no = any(:rep_nos::int[]);
