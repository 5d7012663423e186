-- Plans are made once for a connection, and then fit whatever comes (`force_generic_plan` and sorting off, set when the lane is
-- taken): so each look into a table has an order that only the index has which is meant. `between x and x` is for that: of
-- `= x` the planner would know that it needs no order.

-- name: claim_ready(tenant_id, after_rank, after_queued_at, after_lead_id, until, limit)
-- Claims ready leads in order, after a key, that came until a time, passing over locked rows.
delete from lead_pool
 where ctid = any(array(
       select ctid from lead_pool
        where tenant_id = :tenant_id and wake_key = 0
          and (rank, queued_at, lead_id) > (:after_rank::int, :after_queued_at::timestamptz, :after_lead_id::bigint)
          and queued_at <= :until::timestamptz
        order by rank, queued_at, lead_id limit :limit for update skip locked))
returning lead_id, rank, queued_at, created_at, source, region, industry, product, campaign, ad_id, landing_page,
          customer_id, excluded, wake_key, last_batch_no,
          (select o.rep_no from customer_owner o where o.tenant_id = :tenant_id and o.customer_id = lead_pool.customer_id);

-- name: claim_recent(tenant_id, ranks, since, limit)
-- Claims ready leads of some ranks that came from a time on, in order, passing over locked rows: while vacuum is held back, the index
-- still has every lead that was taken before.
delete from lead_pool
 where ctid = any(array(
       select c.ctid
         from unnest(:ranks::int[]) as k(rank)
         cross join lateral (
              select p.ctid, p.rank, p.queued_at, p.lead_id from lead_pool p
               where p.tenant_id = :tenant_id and p.wake_key = 0 and p.rank = k.rank and p.queued_at >= :since::timestamptz
               order by p.queued_at, p.lead_id limit :limit for update skip locked) c
        order by c.rank, c.queued_at, c.lead_id limit :limit))
returning lead_id, rank, queued_at, created_at, source, region, industry, product, campaign, ad_id, landing_page,
          customer_id, excluded, wake_key, last_batch_no,
          (select o.rep_no from customer_owner o where o.tenant_id = :tenant_id and o.customer_id = lead_pool.customer_id);

-- name: claim_named(tenant_id, lead_ids)
-- Claims these leads, wherever they stand, passing over locked rows.
delete from lead_pool
 where ctid = any(array(
       select p.ctid
         from unnest(:lead_ids::bigint[]) as n(lead_id)
         cross join lateral (
              select ctid from lead_pool
               where tenant_id = :tenant_id and lead_id between n.lead_id and n.lead_id
               order by lead_id for update skip locked) p))
returning lead_id, rank, queued_at, created_at, source, region, industry, product, campaign, ad_id, landing_page,
          customer_id, excluded, wake_key, last_batch_no,
          (select o.rep_no from customer_owner o where o.tenant_id = :tenant_id and o.customer_id = lead_pool.customer_id);

-- name: claim_waiting(tenant_id, wake_keys, rooms, limit)
-- Claims waiting leads of the keys that have room, at most as many of each key as it has room, in order.
delete from lead_pool
 where ctid = any(array(
       select c.ctid
         from unnest(:wake_keys::int[], :rooms::int[]) as k(wake_key, room)
         cross join lateral (
              select p.ctid, p.rank, p.queued_at, p.lead_id from lead_pool p
               where p.tenant_id = :tenant_id and p.wake_key = k.wake_key
               order by p.rank, p.queued_at, p.lead_id limit k.room for update skip locked) c
        order by c.rank, c.queued_at, c.lead_id limit :limit))
returning lead_id, rank, queued_at, created_at, source, region, industry, product, campaign, ad_id, landing_page,
          customer_id, excluded, wake_key, last_batch_no,
          (select o.rep_no from customer_owner o where o.tenant_id = :tenant_id and o.customer_id = lead_pool.customer_id);

-- name: claim_due(tenant_id, now, limit)
-- Claims waiting leads whose time to be looked at again has come.
delete from lead_pool
 where ctid = any(array(
       select ctid from lead_pool
        where tenant_id = :tenant_id and recheck_at <= :now
        order by recheck_at limit :limit for update skip locked))
returning lead_id, rank, queued_at, created_at, source, region, industry, product, campaign, ad_id, landing_page,
          customer_id, excluded, wake_key, last_batch_no,
          (select o.rep_no from customer_owner o where o.tenant_id = :tenant_id and o.customer_id = lead_pool.customer_id);

-- name: put_back(tenant_id, batch_no, lead_ids, wake_keys, ranks, queued_at, recheck_at, created_at, customers, excluded, sources, regions, industries, products, campaigns, ad_ids, landing_pages)!
-- Writes a batch's refused leads into the pool, with what they wait for.
insert into lead_pool (tenant_id, lead_id, wake_key, rank, queued_at, recheck_at, last_batch_no, created_at, customer_id,
                       excluded, source, region, industry, product, campaign, ad_id, landing_page)
select :tenant_id, r.lead_id, r.wake_key, r.rank, r.queued_at, r.recheck_at, :batch_no, r.created_at, r.customer_id,
       r.excluded::int[], r.source, r.region, r.industry, r.product, r.campaign, r.ad_id, r.landing_page
  from unnest(:lead_ids::bigint[], :wake_keys::int[], :ranks::int[], :queued_at::timestamptz[], :recheck_at::timestamptz[],
              :created_at::timestamptz[], :customers::bigint[], :excluded::text[], :sources::text[], :regions::text[],
              :industries::text[], :products::text[], :campaigns::text[], :ad_ids::text[], :landing_pages::text[])
    as r(lead_id, wake_key, rank, queued_at, recheck_at, created_at, customer_id, excluded, source, region, industry,
         product, campaign, ad_id, landing_page);

-- name: put_parked(tenant_id, at, batch_no, lead_ids, reasons, details, excluded)!
-- Writes a batch's parked leads, and their event.
with happened as (
    insert into event (tenant_id, type, at, batch_no, leads, words)
    select t.tenant_id, 'lead.parked', :at, :batch_no, :lead_ids::bigint[], :reasons::text[]
      from tenant t where t.tenant_id = :tenant_id and t.events_since is not null)
insert into parked (tenant_id, lead_id, reason, detail, parked_at, last_batch_no, excluded)
select :tenant_id, p.lead_id, p.reason, p.detail, :at, :batch_no, p.excluded::int[]
  from unnest(:lead_ids::bigint[], :reasons::text[], :details::text[], :excluded::text[]) as p(lead_id, reason, detail, excluded);

-- name: wake_customers(tenant_id, customers)!
-- Makes the waiting leads of customers ready; locked rows are passed over.
update lead_pool set wake_key = 0, recheck_at = null
 where ctid = any(array(
       select p.ctid
         from unnest(:customers::bigint[]) as n(customer_id)
         cross join lateral (
              select ctid from lead_pool
               where tenant_id = :tenant_id and customer_id between n.customer_id and n.customer_id and wake_key <> 0
               order by customer_id for update skip locked) p));

-- name: still_waiting(tenant_id, customers)
-- Leads of customers that still wait after wake_customers, because somebody else has locked their rows.
select p.lead_id
  from unnest(:customers::bigint[]) as n(customer_id)
 cross join lateral (
       select lead_id from lead_pool
        where tenant_id = :tenant_id and customer_id between n.customer_id and n.customer_id and wake_key <> 0
        order by customer_id) p;

-- name: wake_leads(tenant_id, lead_ids)
-- Makes waiting leads ready and answers which; locked rows are passed over.
update lead_pool set wake_key = 0, recheck_at = null
 where ctid = any(array(
       select p.ctid
         from unnest(:lead_ids::bigint[]) as n(lead_id)
         cross join lateral (
              select ctid from lead_pool
               where tenant_id = :tenant_id and lead_id between n.lead_id and n.lead_id and wake_key <> 0
               order by lead_id for update skip locked) p))
returning lead_id;

-- name: waiting_of(tenant_id, lead_ids)
-- Which of these leads wait.
select p.lead_id
  from unnest(:lead_ids::bigint[]) as n(lead_id)
 cross join lateral (
       select lead_id from lead_pool
        where tenant_id = :tenant_id and lead_id between n.lead_id and n.lead_id and wake_key <> 0
        order by lead_id) p;

-- name: put_lead_news(tenant_id, lead_ids)!
-- Notes for the next batch that waiting leads are to be made ready.
insert into lane_inbox (tenant_id, lead_id) select :tenant_id, l from unnest(:lead_ids::bigint[]) as l;

-- name: put_wake_keys(tenant_id, ruleset, wake_keys, targets)!
-- Interns new wake keys.
insert into wake_key (tenant_id, wake_key, ruleset, targets)
select :tenant_id, k.wake_key, :ruleset, k.targets from unnest(:wake_keys::int[], :targets::text[]) as k(wake_key, targets);

-- name: prune_wake_keys(tenant_id, wake_keys)
-- Forgets those of the keys that no lead waits under any more.
delete from wake_key
 where ctid = any(array(
       select w.ctid
         from unnest(:wake_keys::int[]) as n(wake_key)
         cross join lateral (
              select ctid from wake_key
               where tenant_id = :tenant_id and wake_key between n.wake_key and n.wake_key order by wake_key) w
         left join lateral (
              select true as waits from lead_pool
               where tenant_id = :tenant_id and wake_key between n.wake_key and n.wake_key
               order by wake_key, rank, queued_at, lead_id limit 1) p on true
        where p.waits is null))
returning wake_key;
