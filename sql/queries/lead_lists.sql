-- name: steady_plans()!
-- For lists, until the transaction ends: plans by index, made anew, that stop with the page; what statistics say of a tenant (nothing, when it is new)
-- decides nothing.
set local plan_cache_mode = force_custom_plan; set local enable_seqscan = off; set local enable_bitmapscan = off;
set local enable_hashjoin = off; set local enable_mergejoin = off; set local jit = off;

-- name: first_since(tenant_id, at)
-- The number from which on leads were accepted at a time or later (null = none was): numbers grow with time, so halving finds it in some
-- twenty steps, and no index on the time is needed, which every import would pay for.
with recursive halved as (
    select (select lead_id from lead where tenant_id = :tenant_id order by lead_id limit 1) as low,
           (select lead_id + 1 from lead where tenant_id = :tenant_id order by lead_id desc limit 1) as high
    union all
    select case when l.received_at < :at::timestamptz then l.lead_id + 1 else h.low end,
           case when l.received_at < :at::timestamptz then h.high else (h.low + h.high) / 2 end
      from halved h
     cross join lateral (
           select lead_id, received_at from lead
            where tenant_id = :tenant_id and lead_id >= (h.low + h.high) / 2
            order by lead_id limit 1) l
     where h.low < h.high
)
select low from halved where low >= high;

-- name: of_all(tenant_id, below, floor, source, since, until, limit)
-- The newest leads below a number. The source is compared so that its index does not serve: of a large source it would give all, unsorted.
select lead_id from lead
 where tenant_id = :tenant_id and lead_id < :below and lead_id >= :floor
   and (:source::text is null or source is not distinct from :source)
   and (:since::timestamptz is null or received_at >= :since) and (:until::timestamptz is null or received_at < :until)
 order by lead_id desc limit :limit;

-- name: of_waiting(tenant_id, below, floor, source, since, until, limit)
-- The newest leads that wait, below a number.
select s.lead_id
  from lead_pool s
 cross join lateral (select source, received_at from lead where tenant_id = :tenant_id and lead_id = s.lead_id limit 1) l
 where s.tenant_id = :tenant_id and s.lead_id < :below and s.lead_id >= :floor
   and (:source::text is null or l.source = :source)
   and (:since::timestamptz is null or l.received_at >= :since) and (:until::timestamptz is null or l.received_at < :until)
 order by s.lead_id desc limit :limit;

-- name: of_assigned(tenant_id, below, floor, source, since, until, limit)
-- The newest leads that somebody has, below a number.
select s.lead_id
  from assignment s
 cross join lateral (select source, received_at from lead where tenant_id = :tenant_id and lead_id = s.lead_id limit 1) l
 where s.tenant_id = :tenant_id and s.lead_id < :below and s.lead_id >= :floor
   and (:source::text is null or l.source = :source)
   and (:since::timestamptz is null or l.received_at >= :since) and (:until::timestamptz is null or l.received_at < :until)
 order by s.lead_id desc limit :limit;

-- name: of_parked(tenant_id, below, floor, source, since, until, limit)
-- The newest leads that are parked, below a number.
select s.lead_id
  from parked s
 cross join lateral (select source, received_at from lead where tenant_id = :tenant_id and lead_id = s.lead_id limit 1) l
 where s.tenant_id = :tenant_id and s.lead_id < :below and s.lead_id >= :floor
   and (:source::text is null or l.source = :source)
   and (:since::timestamptz is null or l.received_at >= :since) and (:until::timestamptz is null or l.received_at < :until)
 order by s.lead_id desc limit :limit;

-- name: of_merged(tenant_id, below, floor, source, since, until, limit)
-- The newest leads that repeat an earlier one, below a number.
select s.lead_id
  from merged s
 cross join lateral (select source, received_at from lead where tenant_id = :tenant_id and lead_id = s.lead_id limit 1) l
 where s.tenant_id = :tenant_id and s.lead_id < :below and s.lead_id >= :floor
   and (:source::text is null or l.source = :source)
   and (:since::timestamptz is null or l.received_at >= :since) and (:until::timestamptz is null or l.received_at < :until)
 order by s.lead_id desc limit :limit;

-- name: of_closed(tenant_id, below, floor, source, since, until, limit)
-- The newest leads that are closed, below a number.
select s.lead_id
  from closed s
 cross join lateral (select source, received_at from lead where tenant_id = :tenant_id and lead_id = s.lead_id limit 1) l
 where s.tenant_id = :tenant_id and s.lead_id < :below and s.lead_id >= :floor
   and (:source::text is null or l.source = :source)
   and (:since::timestamptz is null or l.received_at >= :since) and (:until::timestamptz is null or l.received_at < :until)
 order by s.lead_id desc limit :limit;

-- name: source_size(tenant_id, source, limit)
-- How many leads a source has, counted up to a limit.
select count(*) from (select from lead where tenant_id = :tenant_id and source = :source limit :limit) as leads;

-- name: of_source(tenant_id, state, below, floor, source, since, until, limit)
-- The newest leads of a source that has few, of one state or of any (null). The range of numbers stands outside, here and below: without
-- statistics it would make the planner walk all leads in it.
with few as materialized (
    select lead_id from lead
     where tenant_id = :tenant_id and source = :source
       and (:since::timestamptz is null or received_at >= :since) and (:until::timestamptz is null or received_at < :until))
select lead_id from few
 where lead_id < :below and lead_id >= :floor
   and (:state::text is null
    or (:state = 'waiting' and (select true from lead_pool p where p.tenant_id = :tenant_id and p.lead_id = few.lead_id))
    or (:state = 'assigned' and (select true from assignment a where a.tenant_id = :tenant_id and a.lead_id = few.lead_id))
    or (:state = 'parked' and (select true from parked p where p.tenant_id = :tenant_id and p.lead_id = few.lead_id))
    or (:state = 'merged' and (select true from merged m where m.tenant_id = :tenant_id and m.lead_id = few.lead_id))
    or (:state = 'closed' and (select true from closed c where c.tenant_id = :tenant_id and c.lead_id = few.lead_id)))
 order by lead_id desc limit :limit;

-- name: keys_size(tenant_id, wake_keys, limit)
-- How many leads wait under these keys, counted up to a limit.
select count(*) from (select from lead_pool where tenant_id = :tenant_id and wake_key = any(:wake_keys::int[]) limit :limit) as leads;

-- name: parked_of_reason(tenant_id, reason, below, floor, source, since, until, limit)
-- The newest leads that are parked for a reason, below a number.
select p.lead_id
  from parked p
 cross join lateral (select source, received_at from lead where tenant_id = :tenant_id and lead_id = p.lead_id limit 1) l
 where p.tenant_id = :tenant_id and p.reason = :reason and p.lead_id < :below and p.lead_id >= :floor
   and (:source::text is null or l.source = :source)
   and (:since::timestamptz is null or l.received_at >= :since) and (:until::timestamptz is null or l.received_at < :until)
 order by p.lead_id desc limit :limit;

-- name: of_few(tenant_id, rep_no, wake_keys, rooms, below, floor, source, since, until, limit)
-- The newest, below a number, of a few leads: those that a rep has now, or that wait under some keys, of each key all or (rooms) so many that stand
-- first in line; sorted before they are looked up, so that these are no more than a page takes.
with few as materialized (
    select lead_id from assignment where tenant_id = :tenant_id and rep_no = :rep_no::int
     union all
    select lead_id from lead_pool where tenant_id = :tenant_id and :rooms::int[] is null and wake_key = any(:wake_keys::int[])
     union all
    select p.lead_id
      from unnest(:wake_keys::int[], :rooms::int[]) as k(wake_key, room)
     cross join lateral (
           select lead_id from lead_pool
            where tenant_id = :tenant_id and wake_key = k.wake_key
            order by rank, queued_at, lead_id limit k.room) p
     where :rooms::int[] is not null)
select f.lead_id
  from (select lead_id from few where lead_id < :below and lead_id >= :floor order by lead_id desc offset 0) f
 cross join lateral (select source, received_at from lead where tenant_id = :tenant_id and lead_id = f.lead_id limit 1) l
 where (:source::text is null or l.source = :source)
   and (:since::timestamptz is null or l.received_at >= :since) and (:until::timestamptz is null or l.received_at < :until)
 order by f.lead_id desc limit :limit;

-- name: waiting_of_many(tenant_id, wake_keys, below, floor, source, since, until, limit)
-- The same where many wait under the keys: walks down the pool.
select p.lead_id
  from lead_pool p
 cross join lateral (select source, received_at from lead where tenant_id = :tenant_id and lead_id = p.lead_id limit 1) l
 where p.tenant_id = :tenant_id and p.wake_key = any(:wake_keys::int[]) and p.lead_id < :below and p.lead_id >= :floor
   and (:source::text is null or l.source = :source)
   and (:since::timestamptz is null or l.received_at >= :since) and (:until::timestamptz is null or l.received_at < :until)
 order by p.lead_id desc limit :limit;

-- name: waiting_longest(tenant_id, limit)
-- The leads that have waited longest, that first. Under each wake key and priority they stand in this order: of each pair (found one after the
-- other, by the index) the first are looked at.
with recursive places as (
    (select wake_key, rank from lead_pool where tenant_id = :tenant_id order by wake_key, rank limit 1)
     union all
    select n.wake_key, n.rank
      from places p
     cross join lateral (
           select wake_key, rank from lead_pool
            where tenant_id = :tenant_id and (wake_key, rank) > (p.wake_key, p.rank)
            order by wake_key, rank limit 1) n
)
select l.lead_id
  from places p
 cross join lateral (
       select lead_id, queued_at from lead_pool
        where tenant_id = :tenant_id and wake_key = p.wake_key and rank = p.rank
        order by queued_at, lead_id limit :limit) l
 order by l.queued_at, l.lead_id limit :limit;

-- name: waiting_size(tenant_id, limit)
-- How many leads wait, counted up to a limit.
select count(*) from (select from lead_pool where tenant_id = :tenant_id limit :limit) as leads;

-- name: wake_keys(tenant_id)
-- All that leads wait for.
select wake_key, ruleset, targets from wake_key where tenant_id = :tenant_id;

-- name: place_in_line(tenant_id, wake_key, skip)
-- The lead that stands behind so many others under a wake key.
select rank, queued_at, lead_id from lead_pool
 where tenant_id = :tenant_id and wake_key = :wake_key
 order by rank, queued_at, lead_id offset :skip limit 1;

-- name: rows(tenant_id, lead_ids)
-- What a list shows of these leads, newest first: facts, where each is, and who has it, or had it when it was closed. Each is looked up by its own
-- key, however large the tables are and whatever is known of that.
select l.lead_id, l.source, l.external_id, l.created_at, l.received_at, l.customer_id, l.region, l.industry, l.product, l.campaign,
       l.name, l.phone, l.email, l.company,
       p.queued_at, p.rank, p.wake_key, p.recheck_at, k.ruleset, k.targets,
       a.assigned_at, q.parked_at, q.reason, q.detail, m.merged_at, m.into_lead_id, c.closed_at, c.outcome,
       r.rep_id, n.name as rep_name
  from lead l
  left join lateral (
       select queued_at, rank, wake_key, recheck_at from lead_pool where tenant_id = :tenant_id and lead_id = l.lead_id limit 1) p on true
  left join lateral (
       select ruleset, targets from wake_key where tenant_id = :tenant_id and wake_key = p.wake_key limit 1) k on true
  left join lateral (
       select rep_no, assigned_at from assignment where tenant_id = :tenant_id and lead_id = l.lead_id limit 1) a on true
  left join lateral (
       select parked_at, reason, detail from parked where tenant_id = :tenant_id and lead_id = l.lead_id limit 1) q on true
  left join lateral (
       select merged_at, into_lead_id from merged where tenant_id = :tenant_id and lead_id = l.lead_id limit 1) m on true
  left join lateral (
       select closed_at, outcome from closed where tenant_id = :tenant_id and lead_id = l.lead_id limit 1) c on true
  left join lateral (
       select rep_no from assignment_history
        where tenant_id = :tenant_id and lead_id = l.lead_id and c.closed_at is not null and outcome in ('won', 'lost')
        order by batch_no desc, ended_at desc limit 1) h on true
  left join lateral (
       select rep_id from rep where tenant_id = :tenant_id and rep_no = coalesce(a.rep_no, h.rep_no) limit 1) r on true
  left join lateral (
       select name from rep_row
        where tenant_id = :tenant_id and rep_no = coalesce(a.rep_no, h.rep_no) and to_version is null limit 1) n on true
 where l.tenant_id = :tenant_id and l.lead_id = any(:lead_ids::bigint[])
 order by l.lead_id desc;
