-- name: add(tenant_id, url, types, allow_private, note, position, place)
-- A new endpoint, which gets the events after a place in the order.
insert into webhook (tenant_id, url, types, allow_private, note, position, place)
values (:tenant_id, :url, :types::text[], :allow_private, :note, :position, :place)
returning webhook_no;

-- name: add_secret(tenant_id, webhook_no, secret)!
-- One more secret that signs.
insert into webhook_secret (tenant_id, webhook_no, secret) values (:tenant_id, :webhook_no, :secret);

-- name: end_secrets(tenant_id, webhook_no, ends_at)!
-- The secrets that sign until now end then, those at the latest that have an end already.
update webhook_secret set ends_at = least(ends_at, :ends_at::timestamptz) where tenant_id = :tenant_id and webhook_no = :webhook_no;

-- name: forget_secrets(tenant_id, webhook_no)!
-- Secrets that have ended sign nothing any more, and are not kept.
delete from webhook_secret where tenant_id = :tenant_id and webhook_no = :webhook_no and ends_at <= statement_timestamp();

-- name: secrets(tenant_id, webhook_no)
-- The secrets that sign now, the newest first.
select secret from webhook_secret
 where tenant_id = :tenant_id and webhook_no = :webhook_no and (ends_at is null or ends_at > statement_timestamp())
 order by secret_no desc;

-- name: all(tenant_ids)
-- The endpoints of some tenants, how each fares, and what it has not got yet: the oldest event, those that wait for another attempt, the
-- dead ones.
select w.tenant_id, w.webhook_no, w.url, w.types, w.allow_private, w.note, w.created_at, w.enabled, w.disabled_why, w.position, w.place,
       w.delivered, w.delivered_at, w.failures, w.failing_since, w.last_error, w.missed_upto,
       w.holder is not null and w.held_until > statement_timestamp() as held,
       (select count(*) from webhook_secret s
         where s.tenant_id = w.tenant_id and s.webhook_no = w.webhook_no and (s.ends_at is null or s.ends_at > statement_timestamp()))::int as secrets,
       (select count(*) from webhook_delivery d
         where d.tenant_id = w.tenant_id and d.webhook_no = w.webhook_no and d.state = 'waiting')::int as waiting,
       (select count(*) from webhook_delivery d
         where d.tenant_id = w.tenant_id and d.webhook_no = w.webhook_no and d.state = 'dead')::int as dead,
       least((select e.at from event e
               where e.tenant_id = w.tenant_id and e.position >= w.position and (e.position > w.position or e.size > w.place)
                 and (w.types is null or e.type = any(w.types))
               order by e.position limit 1),
             (select e.at from event e
               where e.tenant_id = w.tenant_id and e.position is null and (w.types is null or e.type = any(w.types))
               order by e.event_no limit 1),
             (select min(d.since) from webhook_delivery d
               where d.tenant_id = w.tenant_id and d.webhook_no = w.webhook_no and d.state = 'waiting')) as behind_since
  from webhook w
 where w.tenant_id = any(:tenant_ids::int[])
 order by w.tenant_id, w.webhook_no;

-- name: undelivered(tenant_id, webhook_no, position, place, types, ages_s, limit)
-- How many events an endpoint has not got yet, by how long ago they happened: between which of the ages. Of the feed and of what waits for
-- another attempt at most so many rows are read each.
select width_bucket(u.age_s, :ages_s::float8[]) as age, sum(u.events)::bigint as events, count(*)::bigint as rows
  from ((select extract(epoch from statement_timestamp() - e.at)::float8 as age_s,
                case when e.position = :position::bigint then greatest(e.size - :place::int, 0) else e.size end as events
           from event e
          where e.tenant_id = :tenant_id and e.position >= :position and (:types::text[] is null or e.type = any(:types))
          order by e.position limit :limit)
        union all
        (select extract(epoch from statement_timestamp() - e.at)::float8, e.size from event e
          where e.tenant_id = :tenant_id and e.position is null and (:types::text[] is null or e.type = any(:types))
          order by e.event_no limit :limit)
        union all
        (select extract(epoch from statement_timestamp() - d.since)::float8, 1 from webhook_delivery d
          where d.tenant_id = :tenant_id and d.webhook_no = :webhook_no and d.state = 'waiting' limit :limit)) u
 where u.events > 0
 group by 1 order by 1;

-- name: remove(tenant_id, webhook_no)
-- Removes an endpoint with all that is kept for it.
with secrets as (delete from webhook_secret where tenant_id = :tenant_id and webhook_no = :webhook_no),
     deliveries as (delete from webhook_delivery where tenant_id = :tenant_id and webhook_no = :webhook_no)
delete from webhook where tenant_id = :tenant_id and webhook_no = :webhook_no returning url;

-- name: switch(tenant_id, webhook_no, enabled, why)
-- Enables or disables an endpoint; the process that delivers to it notices.
update webhook set enabled = :enabled, disabled_why = case when :enabled then null else :why::text end, failures = 0, failing_since = null,
       missed_upto = null, version = version + 1
 where tenant_id = :tenant_id and webhook_no = :webhook_no
returning url;

-- name: go_to(tenant_id, webhook_no, position, place)!
-- Moves an endpoint to another place in the order.
update webhook set position = :position, place = :place, version = version + 1
 where tenant_id = :tenant_id and webhook_no = :webhook_no;

-- name: drop_waiting(tenant_id, webhook_no, position, place)!
-- What waits from a place on is read again from the feed, in the order of the events.
delete from webhook_delivery
 where tenant_id = :tenant_id and webhook_no = :webhook_no and state = 'waiting' and (position, place) > (:position::bigint, :place::int);

-- name: touch(tenant_id, webhook_no)!
-- Has the process that delivers to the endpoint read again what is stored of it.
update webhook set version = version + 1 where tenant_id = :tenant_id and webhook_no = :webhook_no;

-- name: claim(me, lease_s)!
-- Takes the endpoints that no process delivers to, and keeps those of ours whose time is half over. Truly about all tenants.
update webhook set holder = :me::bigint, held_until = statement_timestamp() + make_interval(secs => :lease_s::float8)
 where enabled and (holder is null or held_until < statement_timestamp()
                    or holder = :me and held_until < statement_timestamp() + make_interval(secs => :lease_s / 2));

-- name: working(me)
-- The endpoints that are ours, with what is needed to deliver to them. Truly about all tenants.
select w.tenant_id, w.webhook_no, w.url, w.types, w.allow_private, w.version, w.position, w.place, w.failures,
       t.name as tenant, coalesce(f.last_position, 0) as last_position,
       exists (select from event e where e.tenant_id = w.tenant_id and e.position is null) as unplaced,
       extract(epoch from w.held_until - statement_timestamp())::float8 as ours_s
  from webhook w join tenant t on t.tenant_id = w.tenant_id left join event_feed f on f.tenant_id = w.tenant_id
 where w.holder = :me and w.enabled and w.held_until > statement_timestamp()
 order by w.tenant_id, w.webhook_no;

-- name: claim_among(me, lease_s, tenant_ids)!
-- As claim, of some: while a server that has rows of others does not answer.
update webhook set holder = :me::bigint, held_until = statement_timestamp() + make_interval(secs => :lease_s::float8)
 where tenant_id = any(:tenant_ids::int[]) and enabled and (holder is null or held_until < statement_timestamp()
                    or holder = :me and held_until < statement_timestamp() + make_interval(secs => :lease_s / 2));

-- name: working_among(me, tenant_ids)
-- As working, of some.
select w.tenant_id, w.webhook_no, w.url, w.types, w.allow_private, w.version, w.position, w.place, w.failures,
       t.name as tenant, coalesce(f.last_position, 0) as last_position,
       exists (select from event e where e.tenant_id = w.tenant_id and e.position is null) as unplaced,
       extract(epoch from w.held_until - statement_timestamp())::float8 as ours_s
  from webhook w join tenant t on t.tenant_id = w.tenant_id left join event_feed f on f.tenant_id = w.tenant_id
 where w.tenant_id = any(:tenant_ids::int[]) and w.holder = :me and w.enabled and w.held_until > statement_timestamp()
 order by w.tenant_id, w.webhook_no;

-- name: release(me, tenant_id, webhook_no)!
-- Leaves an endpoint to others.
update webhook set holder = null, held_until = null where tenant_id = :tenant_id and webhook_no = :webhook_no and holder = :me;

-- name: progress(me, tenant_id, webhook_no, position, place, delivered, failures, failing, error)
-- How far deliveries have come, as long as they are ours; its version.
update webhook set position = :position, place = :place, delivered = delivered + :delivered::int,
       delivered_at = case when :delivered > 0 then m.now else delivered_at end,
       failures = :failures, failing_since = case when :failing::boolean then coalesce(failing_since, m.now) end,
       last_error = coalesce(:error::text, last_error)
  from (select statement_timestamp() as now) m
 where tenant_id = :tenant_id and webhook_no = :webhook_no and holder = :me
returning version;

-- name: put_off(tenant_id, webhook_no, event_nos, places, positions, lead_ids, states, attempts, waits_s, errors)!
-- Events that were not taken: when to try again (no time: behind an earlier one of the lead), or given up.
insert into webhook_delivery (tenant_id, webhook_no, event_no, place, position, lead_id, state, attempts, next_at, error)
select :tenant_id, :webhook_no, d.event_no, d.place, d.position, d.lead_id, d.state, d.attempts,
       coalesce(statement_timestamp() + make_interval(secs => d.wait_s), 'infinity'), d.error
  from unnest(:event_nos::bigint[], :places::int[], :positions::bigint[], :lead_ids::bigint[], :states::text[], :attempts::int[],
              :waits_s::float8[], :errors::text[])
    as d(event_no, place, position, lead_id, state, attempts, wait_s, error)
    on conflict (tenant_id, webhook_no, event_no, place) do update
   set state = excluded.state, attempts = excluded.attempts, next_at = excluded.next_at, error = excluded.error;

-- name: taken(tenant_id, webhook_no, event_nos, places)!
-- Events that were taken after all.
delete from webhook_delivery d using unnest(:event_nos::bigint[], :places::int[]) as t(event_no, place)
 where d.tenant_id = :tenant_id and d.webhook_no = :webhook_no and d.event_no = t.event_no and d.place = t.place;

-- name: along_the_index()!
-- Until the transaction ends: no plan that reads all that waits and sorts it, which seems cheap while few leads are due.
set local plan_cache_mode = force_custom_plan; set local enable_seqscan = off; set local enable_bitmapscan = off; set local jit = off;

-- name: put_off_lines(tenant_id, webhook_no, not_these, due_only, limit)
-- All events that wait for another attempt, of the leads that are due first; wait_s = seconds until then. One event of a lead has a time, mostly the
-- first: not where an earlier one that had been delivered was read from the feed again.
with first as materialized (
    select distinct due.lead_id from (
        select d.lead_id from webhook_delivery d
         where d.tenant_id = :tenant_id and d.webhook_no = :webhook_no and d.state = 'waiting'
           and d.next_at < 'infinity' and d.next_at <= case when :due_only::boolean then statement_timestamp() else 'infinity' end
           and d.lead_id <> all(:not_these::bigint[])
         order by d.next_at limit :limit) due)
select d.event_no, d.place, d.position, d.lead_id, d.attempts,
       case when isfinite(d.next_at) then extract(epoch from d.next_at - statement_timestamp()) end::float8 as wait_s
  from first f
 cross join lateral (select * from webhook_delivery w
                      where w.tenant_id = :tenant_id and w.webhook_no = :webhook_no and w.state = 'waiting' and w.lead_id = f.lead_id
                      order by w.position, w.place) d
 order by d.position, d.place;

-- name: waiting_of_leads(tenant_id, webhook_no, lead_ids)
-- Which of these leads have events that wait for another attempt.
select d.lead_id, d.event_no, d.place from (select distinct unnest(:lead_ids::bigint[]) as lead_id) l
 cross join lateral (select lead_id, event_no, place from webhook_delivery w
                      where w.tenant_id = :tenant_id and w.webhook_no = :webhook_no and w.state = 'waiting' and w.lead_id = l.lead_id
                     offset 0) d;

-- name: bury(tenant_id, webhook_no, event_nos, places, error)!
-- Gives up events that were put off; the next one of each lead may be tried now.
with buried as (
    update webhook_delivery d set state = 'dead', error = :error from unnest(:event_nos::bigint[], :places::int[]) as t(event_no, place)
     where d.tenant_id = :tenant_id and d.webhook_no = :webhook_no and d.event_no = t.event_no and d.place = t.place
    returning d.lead_id, d.event_no, d.place)
update webhook_delivery d set next_at = least(d.next_at, statement_timestamp())
 where d.tenant_id = :tenant_id and d.webhook_no = :webhook_no and d.state = 'waiting' and d.lead_id in (select lead_id from buried)
   and (d.event_no, d.place) not in (select event_no, place from buried);

-- name: disable_gone(me, tenant_id, webhook_no, why)!
-- The endpoint says that it is gone for good.
update webhook set enabled = false, disabled_why = :why, holder = null, held_until = null, version = version + 1
 where tenant_id = :tenant_id and webhook_no = :webhook_no and holder = :me;

-- name: missed(me, tenant_id, webhook_no, upto)!
-- Events up to there are gone before they could be delivered.
update webhook set missed_upto = :upto, position = :upto::bigint + 1, place = 0
 where tenant_id = :tenant_id and webhook_no = :webhook_no and holder = :me;

-- name: again(tenant_id, webhook_no, event_nos, places)
-- Has single events delivered again, whatever became of them, as far as they are still there; which ones.
insert into webhook_delivery (tenant_id, webhook_no, event_no, place, position, lead_id, state, next_at)
select e.tenant_id, :webhook_no, e.event_no, w.place, e.position, e.leads[w.place], 'waiting', statement_timestamp()
  from unnest(:event_nos::bigint[], :places::int[]) as w(event_no, place)
  join event e on e.tenant_id = :tenant_id and e.event_no = w.event_no and e.position is not null and w.place <= e.size
    on conflict (tenant_id, webhook_no, event_no, place) do update set state = 'waiting', attempts = 0, next_at = excluded.next_at
returning event_no, place;

-- name: oldest_event(tenant_id)
-- The number of the oldest event that is left; those before it are past the retention.
select coalesce((select event_no from event where tenant_id = :tenant_id order by event_no limit 1),
                (select 9223372036854775807 from event_feed where tenant_id = :tenant_id and removed_upto > 0), 0);

-- name: dead_again(tenant_id, webhook_no)
-- Has all dead events delivered again that are still there; how many, and how many are past the retention.
with removed as (select coalesce(max(removed_upto), 0) as upto from event_feed where tenant_id = :tenant_id),
again as (
    update webhook_delivery d set state = 'waiting', attempts = 0, next_at = statement_timestamp() from removed
     where d.tenant_id = :tenant_id and d.webhook_no = :webhook_no and d.state = 'dead' and d.position > removed.upto
    returning 1)
select (select count(*) from again)::int as events,
       (select count(*) from webhook_delivery d, removed
         where d.tenant_id = :tenant_id and d.webhook_no = :webhook_no and d.state = 'dead' and d.position <= removed.upto)::int as gone;

-- name: remove_dead(tenant_id, limit)
-- Removes dead events that are past the retention, and notes at their webhooks that these missed them; how many.
with old as (
    select d.webhook_no, d.event_no, d.place, d.position
      from event_feed f join webhook w on w.tenant_id = :tenant_id
     cross join lateral (select webhook_no, event_no, place, position from webhook_delivery
                          where tenant_id = :tenant_id and webhook_no = w.webhook_no and state = 'dead' and position <= f.removed_upto
                          order by position, place limit :limit) d
     where f.tenant_id = :tenant_id limit :limit),
gone as (
    delete from webhook_delivery d using old
     where d.tenant_id = :tenant_id and d.webhook_no = old.webhook_no and d.event_no = old.event_no and d.place = old.place and d.state = 'dead'
    returning d.webhook_no, d.position),
noted as (
    update webhook w set missed_upto = greatest(w.missed_upto, g.position)
      from (select webhook_no, max(position) as position from gone group by webhook_no) g
     where w.tenant_id = :tenant_id and w.webhook_no = g.webhook_no)
select count(*)::int from gone;

-- name: dead(tenant_id, webhook_no, limit)
-- The latest events that were given up, with the error of the last attempt.
select event_no, place, lead_id, attempts, error, since from webhook_delivery
 where tenant_id = :tenant_id and webhook_no = :webhook_no and state = 'dead'
 order by position desc, place desc limit :limit;
