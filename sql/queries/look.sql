-- name: look(tenant_id, numbers, sources, external_ids, keys)
-- What `steady_plans`, `stored_leads` and `customers_of_keys` say, in one answer, for a few leads that are thought to be new: of leads that are there only their
-- places in the arrays (from 1). Everything in one look, or a lead could be archived between two and seen by neither. The transaction has set its plans before.
select (select source from customer_rules where tenant_id = :tenant_id order by version desc limit 1) as match_rules,
       exists (select from tenant where tenant_id = :tenant_id) as is_there, clock_timestamp() as moment,
       array(select nextval('lead_lead_id_seq') from generate_series(1, :numbers::int)) as lead_ids,
       array(select nextval('customer_id_seq') from generate_series(1, :numbers::int)) as customer_ids,
       exists (select from archived_count where tenant_id = :tenant_id) as any_archived,
       array(select named.ord
               from unnest(:sources::text[], :external_ids::text[]) with ordinality as named(source, external_id, ord)
              cross join lateral (
                    select from lead
                     where tenant_id = :tenant_id and (source, external_id) >= (named.source, named.external_id)
                       and (source, external_id) <= (named.source, named.external_id)
                     order by source, external_id
                     limit 1) as near) as stored,
       array(select row(named.ord, stored.customer_id, stored.people::text, stored.shared_as)
               from unnest(:keys::uuid[]) with ordinality as named(key, ord)
              cross join lateral (
                    select customer_id, people, shared_as from customer_key
                     where tenant_id = :tenant_id and key between named.key and named.key order by key limit 1) as stored) as known;
