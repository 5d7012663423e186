-- name: snapshot(tenant_id, version)
-- One stored snapshot.
select as_of, body from rates where tenant_id = :tenant_id and version = :version;

-- name: in_force(tenant_id)
-- The snapshot in force.
select r.as_of, r.body from tenant t join rates r on r.tenant_id = t.tenant_id and r.version = t.rates where t.tenant_id = :tenant_id;

-- name: lock_version(tenant_id)
-- The version in force, held against other writers.
select rates from tenant where tenant_id = :tenant_id for no key update;

-- name: put_snapshot(tenant_id, version, as_of, body)!
-- Stores a snapshot.
insert into rates (tenant_id, version, as_of, body) values (:tenant_id, :version, :as_of, :body);

-- name: use_version(tenant_id, version)!
-- Makes a snapshot the one in force.
update tenant set rates = :version where tenant_id = :tenant_id;

-- name: tallies(tenant_id, segment, since, as_of)
-- Leads that each rep got in a time, by the value of one fact, and how many of them are won as of its end.
select case :segment::text when 'source' then l.source when 'region' then l.region when 'industry' then l.industry
            when 'product' then l.product when 'campaign' then l.campaign when 'ad_id' then l.ad_id
            when 'landing_page' then l.landing_page end as value,
       a.rep_no, count(*)::int as leads, count(*) filter (where a.won)::int as wins
  from (select lead_id, rep_no, false as won from assignment
         where tenant_id = :tenant_id and assigned_at >= :since::timestamptz and assigned_at < :as_of::timestamptz
        union all
        select lead_id, rep_no, outcome = 'won' and ended_at < :as_of::timestamptz from assignment_history
         where tenant_id = :tenant_id and outcome in ('won', 'lost') and ended_at >= :since::timestamptz
           and assigned_at < :as_of::timestamptz) a
  join lead l on l.tenant_id = :tenant_id and l.lead_id = a.lead_id
 where case :segment::text when 'source' then l.source when 'region' then l.region when 'industry' then l.industry
            when 'product' then l.product when 'campaign' then l.campaign when 'ad_id' then l.ad_id
            when 'landing_page' then l.landing_page end is not null
 group by 1, 2;

-- name: sold(tenant_id, since, as_of)
-- Which rep sold which product in a time.
select distinct l.product, h.rep_no
  from assignment_history h join lead l on l.tenant_id = h.tenant_id and l.lead_id = h.lead_id
 where h.tenant_id = :tenant_id and h.outcome = 'won' and h.ended_at >= :since::timestamptz
   and h.ended_at < :as_of::timestamptz and l.product is not null;
