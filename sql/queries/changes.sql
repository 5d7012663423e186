-- name: record(tenant_id, actor, action, subject, before, after, why)!
-- Records what somebody changed.
insert into change (tenant_id, actor, action, subject, before, after, why)
values (:tenant_id, :actor, :action, :subject, :before, :after, :why);

-- name: record_first(tenant_id, actor, action, subject, before, after, why)
-- The same for a change that is made in several transactions; answers its number.
insert into change (tenant_id, actor, action, subject, before, after, why)
values (:tenant_id, :actor, :action, :subject, :before, :after, :why)
returning id;

-- name: go_on(tenant_id, id, after)!
-- What a change has come to by now.
update change set after = :after where tenant_id = :tenant_id and id = :id;
