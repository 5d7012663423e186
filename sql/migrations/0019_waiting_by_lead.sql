-- Events that wait for another attempt, by lead and by time: a webhook that refuses many leads holds up no others.
-- depends: 0018_sources

-- migrate: apply

create index webhook_delivery_lead on webhook_delivery (tenant_id, webhook_no, lead_id, position, place) where state = 'waiting';
create index webhook_delivery_due on webhook_delivery (tenant_id, webhook_no, next_at) where state = 'waiting' and next_at < 'infinity';
create index webhook_delivery_dead on webhook_delivery (tenant_id, webhook_no, position, place) where state = 'dead';
drop index webhook_delivery_state;
comment on table webhook_delivery is 'Events that a webhook did not take at once: waiting for the next attempt at next_at (infinity = behind an earlier one of the same lead), or dead: given up, until a person delivers it again.';

-- migrate: rollback

create index webhook_delivery_state on webhook_delivery (tenant_id, webhook_no, state, position, place);
drop index webhook_delivery_dead;
drop index webhook_delivery_due;
drop index webhook_delivery_lead;
comment on table webhook_delivery is 'Events that a webhook did not take at once: waiting for the next attempt at next_at (or behind an earlier one of the same lead), or dead: given up, until a person delivers it again.';
