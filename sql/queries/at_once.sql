-- name: store_new(tenant_id, match_rules, host_now, ahead_s, lock_ms, sources, external_ids, created_ats, turns, facts, keys, key_leads, people, route, request_keys, request_leads, body_hashes, answer, holds_s)
-- Stores of a few leads those of which nothing is there yet, and tells listening routers; the numbers of those that are stored, null for the others. To be asked outside of a transaction:
-- it is one, with its own limits. What it does is written in migration 0036.
select done.numbers, case when cardinality(array_remove(done.numbers, null)) > 0 then pg_notify('lead_router', :tenant_id::int::text) end as hinted
  from store_new(:tenant_id::int, :match_rules, :host_now, :ahead_s, :lock_ms, :sources, :external_ids, :created_ats, :turns, :facts,
                 :keys, :key_leads, :people, :route, :request_keys, :request_leads, :body_hashes, :answer, :holds_s) as done(numbers);
