-- Leads that a person sends back wait under a key of their own, also those that no batch ever refused.
-- depends: 0002_changes

-- migrate: apply

alter table lead_pool drop constraint waiting_has_been_refused,
    add constraint waiting_is_looked_at_again check (wake_key = 0 or recheck_at is not null);
comment on table wake_key is 'What refused leads wait for, interned: targets in rule order (g3 = group 3, o17 = owner 17, a17 = owner 17 and nobody else, w2 = rule 2''s window; x5 = rep 5 excluded) under the ruleset that refused them. Ruleset 0: leads that a person sent back, to be decided a share of each batch at a time.';

-- migrate: rollback

update lead_pool set wake_key = 0, recheck_at = null where wake_key <> 0 and last_batch_no is null;
alter table lead_pool drop constraint waiting_is_looked_at_again,
    add constraint waiting_has_been_refused check (wake_key = 0 or (last_batch_no is not null and recheck_at is not null));
comment on table wake_key is 'What refused leads wait for, interned: targets in rule order (g3 = group 3, o17 = owner 17, w2 = rule 2''s window; x5 = rep 5 excluded) under the ruleset that refused them.';
