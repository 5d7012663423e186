-- Lists of parked leads by reason, newest first.
-- depends: 0013_idempotency

-- migrate: apply without transaction

drop index concurrently if exists parked_reason;
create index concurrently parked_reason on parked (tenant_id, reason, lead_id);

-- migrate: rollback

drop index parked_reason;
