-- name: clock()
-- The database's time.
select clock_timestamp();

-- name: parked_counts(tenant_id, since)
-- Parked leads by reason, those that were parked since then.
select reason, count(*) as leads from parked
 where tenant_id = :tenant_id and (:since::timestamptz is null or parked_at >= :since) group by reason;

-- name: waiting_counts(tenant_id, since)
-- Waiting leads by wake key, those that were queued since then; ready leads are not among them.
select p.wake_key, k.ruleset, k.targets, p.leads
  from (select wake_key, count(*) as leads from lead_pool
         where tenant_id = :tenant_id and wake_key <> 0 and (:since::timestamptz is null or queued_at >= :since)
         group by wake_key) p
  join wake_key k on k.tenant_id = :tenant_id and k.wake_key = p.wake_key;

-- name: in_order()!
-- For walking along an index until the transaction ends: each part begins where the last one ended, and sorts nothing.
set local plan_cache_mode = force_custom_plan; set local enable_sort = off; set local enable_seqscan = off;
set local enable_bitmapscan = off; set local jit = off;

-- name: parked_next(tenant_id, reasons, since, after_lead_id, limit)
-- The next parked leads of these reasons, after a lead; holds nothing.
select lead_id from parked
 where tenant_id = :tenant_id and lead_id > :after_lead_id and reason = any(:reasons::text[])
   and (:since::timestamptz is null or parked_at >= :since)
 order by lead_id limit :limit;

-- name: waiting_next(tenant_id, wake_keys, since, upto_batch, after_wake_key, after_rank, after_queued_at, after_lead_id, limit)
-- The next leads that wait for these keys and were refused by no later batch, after a place in line; holds nothing.
select wake_key, rank, queued_at, lead_id from lead_pool
 where tenant_id = :tenant_id and wake_key = any(:wake_keys::int[]) and last_batch_no <= :upto_batch
   and (wake_key, rank, queued_at, lead_id)
       > (:after_wake_key::int, :after_rank::int, :after_queued_at::timestamptz, :after_lead_id::bigint)
   and (:since::timestamptz is null or queued_at >= :since)
 order by wake_key, rank, queued_at, lead_id limit :limit;

-- name: send_back(tenant_id, lead_ids, reasons, wake_key, at, recheck_at)
-- Parked leads wait again, queued now, which is an event, without the reps that returned them; locked rows are passed over.
with back as (
    delete from parked
     where ctid = any(array(
           select ctid from parked
            where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[]) and reason = any(:reasons::text[])
              for update skip locked))
    returning lead_id, reason, excluded, last_batch_no),
happened as (
    insert into event (tenant_id, type, at, leads, words)
    select t.tenant_id, 'lead.unparked', :at, array_agg(b.lead_id order by b.lead_id), array_agg(b.reason order by b.lead_id)
      from back b, tenant t where t.tenant_id = :tenant_id and t.events_since is not null
     group by t.tenant_id)
insert into lead_pool (tenant_id, lead_id, wake_key, rank, queued_at, recheck_at, last_batch_no, created_at, customer_id,
                       excluded, source, region, industry, product, campaign, ad_id, landing_page)
select :tenant_id, b.lead_id, :wake_key, -l.priority, :at, :recheck_at, b.last_batch_no, l.created_at, l.customer_id,
       b.excluded, nullif(l.source, ''), l.region, l.industry, l.product, l.campaign, l.ad_id, l.landing_page
  from back b join lead l on l.tenant_id = :tenant_id and l.lead_id = b.lead_id
returning lead_id;

-- name: look_again(tenant_id, lead_ids, wake_keys, wake_key)!
-- Waiting leads wait for their turn instead of for these keys; locked rows are passed over.
update lead_pool set wake_key = :wake_key
 where ctid = any(array(
       select ctid from lead_pool
        where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[]) and wake_key = any(:wake_keys::int[])
          for update skip locked));

-- name: sent_back_key(tenant_id)
-- The wake key of leads that a person sent back, while any waits under it.
select wake_key from wake_key where tenant_id = :tenant_id and ruleset = 0 and targets = '';

-- name: call_lane(tenant_id, state_token, next_wake_key, now)!
-- Makes every router read the lane's state again, and come at once where it is told to.
update lane set state_token = :state_token, next_wake_key = :next_wake_key, next_visit_at = least(next_visit_at, :now)
 where tenant_id = :tenant_id;

-- name: free_key(tenant_id, first)
-- The first number that no wake key has, from `first` on; a tenant has some thousand keys. In the list of what is
-- selected the numbers are made one by one as they are asked for, in `from` all million of them at first.
select n from (select generate_series(:first::int, :first::int + 1000000) n) numbers
 where not exists (select from wake_key w where w.tenant_id = :tenant_id and w.wake_key = n)
 limit 1;
