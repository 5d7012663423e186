-- name: look_begins(every_s)
-- Takes the look at all tenants for this instance, unless another one took it less than so many seconds ago; its number.
update notify_look set look_no = look_no + 1, looked_at = statement_timestamp()
 where tenant_id = 0 and (looked_at < statement_timestamp() - make_interval(secs => :every_s::float8) or looked_at > statement_timestamp())
returning look_no;

-- name: look_ends(look_no)
-- Locks the look until its results are written; no row when another instance has begun one since.
select look_no from notify_look where tenant_id = 0 and look_no = :look_no for update;

-- name: see(channels, kinds)!
-- Notes that these channels are configured; new ones get a row.
insert into notify_channel (tenant_id, channel, kind, seen_at)
select 0, c.channel, c.kind, statement_timestamp() from unnest(:channels::text[], :kinds::text[]) as c(channel, kind)
    on conflict (tenant_id, channel) do update set seen_at = excluded.seen_at, kind = excluded.kind;

-- name: forget(unseen_s)!
-- Deletes channels that nobody has had configured for so many seconds.
delete from notify_channel where tenant_id = 0 and seen_at < statement_timestamp() - make_interval(secs => :unseen_s::float8);

-- name: forget_alerts()!
-- Deletes what was reported to channels that are gone.
delete from notify_alert a
 where a.tenant_id = 0 and not exists (select from notify_channel c where c.tenant_id = 0 and c.channel = a.channel);

-- name: forget_messages()!
-- Deletes what was to be sent to channels that are gone.
delete from notify_message m
 where m.tenant_id = 0 and not exists (select from notify_channel c where c.tenant_id = 0 and c.channel = m.channel);

-- name: channels()
-- How all channels fare, and how many messages wait for each, the oldest since.
select c.channel, c.kind, c.seen_at, c.holder is not null and c.held_until > statement_timestamp() as held, c.attempts, c.rests_until,
       c.succeeded_at, c.failures, c.failing_since, c.failed_at, c.last_error, c.given_up_at, q.waiting, q.oldest
  from notify_channel c
  left join lateral (select count(*)::int as waiting, min(made_at) as oldest from notify_message m
                      where m.tenant_id = 0 and m.channel = c.channel) q on true
 where c.tenant_id = 0 order by c.channel;

-- name: alerts(channels)
-- What was reported to these channels and goes on.
select channel, scope, code, kind, subject, severity, item, began_at, reported_at, gone_at from notify_alert
 where tenant_id = 0 and channel = any(:channels::text[]) order by channel, scope, code, kind, subject;

-- name: keep(channels, scopes, codes, kinds, subjects, severities, items, began_ats, reported_ats, gone_ats)!
-- What was reported to channels, as of a look.
insert into notify_alert (tenant_id, channel, scope, code, kind, subject, severity, item, began_at, reported_at, gone_at)
select 0, a.channel, a.scope, a.code, a.kind, a.subject, a.severity, a.item::jsonb, a.began_at, a.reported_at, a.gone_at
  from unnest(:channels::text[], :scopes::text[], :codes::text[], :kinds::text[], :subjects::text[], :severities::text[], :items::text[],
              :began_ats::timestamptz[], :reported_ats::timestamptz[], :gone_ats::timestamptz[])
    as a(channel, scope, code, kind, subject, severity, item, began_at, reported_at, gone_at)
    on conflict (tenant_id, channel, scope, code, kind, subject) do update
   set severity = excluded.severity, item = excluded.item, began_at = excluded.began_at, reported_at = excluded.reported_at, gone_at = excluded.gone_at;

-- name: over(channels, scopes, codes, kinds, subjects)!
-- What has been reported as over.
delete from notify_alert a
 using unnest(:channels::text[], :scopes::text[], :codes::text[], :kinds::text[], :subjects::text[]) as o(channel, scope, code, kind, subject)
 where a.tenant_id = 0 and a.channel = o.channel and a.scope = o.scope and a.code = o.code and a.kind = o.kind and a.subject = o.subject;

-- name: add(ids, channels, bodies)!
-- Messages to be sent, at once.
insert into notify_message (tenant_id, id, channel, body)
select 0, m.id, m.channel, m.body::jsonb from unnest(:ids::text[], :channels::text[], :bodies::text[]) with ordinality as m(id, channel, body, place)
 order by m.place;

-- name: with_work(channels, me)
-- Of these channels those for which something is due and nobody else sends.
select c.channel from notify_channel c
 where c.tenant_id = 0 and c.channel = any(:channels::text[])
   and (c.holder is null or c.holder = :me::bigint or c.held_until < statement_timestamp())
   and (c.rests_until is null or c.rests_until <= statement_timestamp())
   and exists (select from notify_message m where m.tenant_id = 0 and m.channel = c.channel)
 order by c.channel;

-- name: take(channel, me, lease_s)
-- Takes a channel that nobody else sends to, or keeps it, for so many seconds; locks its row. No row = somebody else has it.
with taken as (
    update notify_channel set holder = :me::bigint, held_until = statement_timestamp() + make_interval(secs => :lease_s::float8)
     where tenant_id = 0 and channel = :channel and (holder is null or holder = :me or held_until < statement_timestamp())
    returning attempts, failures, rests_until)
select attempts, failures, statement_timestamp() as now, extract(epoch from rests_until - statement_timestamp())::float8 as rests_s from taken;

-- name: queue(channel, limit)
-- The messages for a channel, in the order in which they are to be sent: one that cannot be taken stops no other.
select number, id, body, made_at, attempts from notify_message where tenant_id = 0 and channel = :channel order by attempts, number limit :limit;

-- name: replace(numbers, id, channel, body, made_at)!
-- Joins messages to one, which stands at the end of the queue.
with gone as (delete from notify_message where tenant_id = 0 and number = any(:numbers::bigint[]))
insert into notify_message (tenant_id, id, channel, body, made_at) values (0, :id, :channel, :body::text::jsonb, :made_at);

-- name: drop(numbers)!
-- Messages that were delivered or given up.
delete from notify_message where tenant_id = 0 and number = any(:numbers::bigint[]);

-- name: give_up(channel)!
-- Notes that messages were too old to be sent.
update notify_channel set given_up_at = statement_timestamp() where tenant_id = 0 and channel = :channel;

-- name: spend(channel, attempts)!
-- The attempts that rate limits count, the one that begins now among them.
update notify_channel set attempts = :attempts::timestamptz[] where tenant_id = 0 and channel = :channel;

-- name: worked(channel)!
-- An attempt succeeded.
update notify_channel set succeeded_at = statement_timestamp(), failures = 0, failing_since = null, rests_until = null
 where tenant_id = 0 and channel = :channel;

-- name: failed(channel, error, rest_s)!
-- An attempt failed; the other side may ask for rest.
update notify_channel set failures = failures + 1, failing_since = coalesce(failing_since, m.now), failed_at = m.now, last_error = :error, rests_until = m.rests_until
  from (select statement_timestamp() as now,
               case when :rest_s::float8 > 0 then statement_timestamp() + make_interval(secs => :rest_s) end as rests_until) m
 where tenant_id = 0 and channel = :channel;

-- name: put_off(number)!
-- A message that was not taken is tried again, after those that were not tried yet.
update notify_message set attempts = attempts + 1
 where tenant_id = 0 and number = :number;

-- name: release(me)!
-- Leaves all channels to others.
update notify_channel set holder = null, held_until = null where tenant_id = 0 and holder = :me;

-- name: attempts(channel)
-- The attempts that rate limits count, and the time; locks the channel's row.
select attempts, statement_timestamp() as now from notify_channel where tenant_id = 0 and channel = :channel for update;
