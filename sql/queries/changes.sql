-- name: record(tenant_id, actor, action, subject, before, after, why)!
-- Records what somebody changed.
insert into change (tenant_id, actor, action, subject, before, after, why)
values (:tenant_id, :actor, :action, :subject, :before, :after, :why);
