-- name: store_new(tenant_id, match_rules, host_now, ahead_s, lock_ms, sources, external_ids, created_ats, turns, facts, keys, key_leads, people, route, request_keys, request_leads, body_hashes, answer, holds_s)
-- Stores of a few leads those of which nothing is there yet, and tells listening routers; the numbers of those that are stored, null for the others. To be asked outside of a transaction:
-- it is one, with its own limits. What it does is written in migration 0035. Lists come as JSON: the driver looks at each element of an array for whether it is one itself.
select done.numbers, case when cardinality(array_remove(done.numbers, null)) > 0 then pg_notify('lead_router', :tenant_id::int::text) end as hinted
  from store_new(
         :tenant_id::int, :match_rules, :host_now, :ahead_s, :lock_ms, array(select json_array_elements_text(:sources::json)),
         array(select json_array_elements_text(:external_ids::json)), array(select json_array_elements_text(:created_ats::json)::timestamptz),
         array(select json_array_elements_text(:turns::json)::int), :facts, array(select json_array_elements_text(:keys::json)::uuid),
         array(select json_array_elements_text(:key_leads::json)::int), array(select json_array_elements_text(:people::json)), :route,
         array(select json_array_elements_text(:request_keys::json)), array(select json_array_elements_text(:request_leads::json)::int),
         array(select decode(json_array_elements_text(:body_hashes::json), 'hex')), :answer, :holds_s) as done(numbers);
