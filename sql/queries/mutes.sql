-- name: known(tenant_ids)
-- The mutes of some tenants (0 = of what is about no single tenant), also those whose time is over.
select tenant_id, code, kind, subject, until, severity, held_back, findings, actor, why, at
  from mute where tenant_id = any(:tenant_ids::int[]) order by tenant_id, code, kind, subject;

-- name: all()
-- The mutes of all tenants. Truly about all tenants.
select tenant_id, code, kind, subject, until, severity, held_back, findings, actor, why, at
  from mute order by tenant_id, code, kind, subject;

-- name: mute(tenant_id, code, kind, subject, until, severity, held_back, findings, actor, why)
-- Mutes a finding, or replaces its mute.
insert into mute (tenant_id, code, kind, subject, until, severity, held_back, findings, actor, why)
values (:tenant_id, :code, :kind, :subject, :until, :severity, :held_back, :findings, :actor, :why)
    on conflict (tenant_id, code, kind, subject)
    do update set until = excluded.until, severity = excluded.severity, held_back = excluded.held_back,
                  findings = excluded.findings, actor = excluded.actor, why = excluded.why, at = excluded.at
returning at;

-- name: unmute(tenant_id, code, kind, subject, at)
-- Ends a mute, but none that has replaced it since.
delete from mute
 where tenant_id = :tenant_id and code = :code and kind = :kind and subject = :subject and at = :at
returning code;

-- name: claim(now, every_s)
-- Takes the look at all mutes for this instance, unless another one took it less than so many seconds ago. Truly about all tenants.
update mute set looked_at = :now
 where looked_at < :now::timestamptz - make_interval(secs => :every_s::float8) or looked_at > :now::timestamptz
returning code;
