-- Leads of new customers that come over HTTP are looked at, numbered, stored and told of by one statement, which is its own transaction.
-- depends: 0034_unmerge_of_lead

-- migrate: apply

-- Stores of the leads those of which nothing is there yet: neither the lead itself, here or archived, nor a key of its customer. Returns their numbers in the order in which the leads
-- were given, null for each that is not stored; null for all of them where the tenant is gone, other match rules hold, or the caller's clock is too far ahead. The leads share no name,
-- no key and no request's key with each other; they come ordered as everybody orders them, keys of customers by their names; lead_turns is
-- the order in which they arrived. `facts` are objects with the place of a lead (`n`, from 1) and
-- its columns; key_of and request_of are places, too. `answer` is what is kept for a repeated request, with %s for the number. Its plans are made once for a connection, over indexes, whatever
-- the tables held then: see `look`.
create or replace function store_new(
    of_tenant int, of_rules text, host_now timestamptz, ahead_s float8, lock_ms int, lead_sources text[], lead_names text[], lead_times timestamptz[], lead_turns int[], facts json,
    key_names uuid[], key_of int[], key_people text[], of_route text, request_keys text[], request_of int[], request_hashes bytea[], answer_form text, key_holds_s float8)
    returns bigint[] language plpgsql volatile
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $body$
declare
    moment timestamptz := clock_timestamp();
    places_there int[];
    numbers bigint[];
    customers bigint[];
    keys_stored bigint;
begin
    perform set_config('lock_timeout', lock_ms::text, true);
    if extract(epoch from host_now - moment) > ahead_s then return null; end if;
    -- All in one look, or a lead could be archived between two and seen by neither.
    select array(select named.place::int
                   from unnest(lead_sources, lead_names) with ordinality as named(source, external_id, place)
                  cross join lateral (
                        select l.source, l.external_id from lead l
                         where l.tenant_id = of_tenant and (l.source, l.external_id) >= (named.source, named.external_id)
                         order by l.source, l.external_id
                         limit 1) as near
                  where near.source = named.source and near.external_id = named.external_id)
        || array(select key_of[named.place::int]
                   from unnest(key_names) with ordinality as named(key, place)
                  cross join lateral (
                        select k.key from customer_key k
                         where k.tenant_id = of_tenant and k.key between named.key and named.key order by k.key limit 1) as stored)
        || case when exists (select from archived_count c where c.tenant_id = of_tenant)
                then array(select named.place::int
                             from unnest(lead_sources, lead_names) with ordinality as named(source, external_id, place)
                            cross join lateral (
                                  select a.source, a.external_id from archived a
                                   where a.tenant_id = of_tenant and (a.source, a.external_id) >= (named.source, named.external_id)
                                   order by a.source, a.external_id
                                   limit 1) as near
                            where near.source = named.source and near.external_id = named.external_id)
                else '{}' end
      into places_there
     where exists (select from tenant t where t.tenant_id = of_tenant)
       and (select r.source from customer_rules r where r.tenant_id = of_tenant order by r.version desc limit 1) is not distinct from of_rules;
    if places_there is null then return null; end if;
    select array_agg(given.number order by given.place), array_agg(given.customer order by given.place)
      into numbers, customers
      from (select a.place, case when a.is_new then nextval('lead_lead_id_seq') end as number,
                   case when a.is_new and a.place = any(key_of) then nextval('customer_id_seq') end as customer
              from (select t.place::int as place, t.place <> all(places_there) as is_new
                      from unnest(lead_times, lead_turns) with ordinality as t(at, turn, place)
                     order by coalesce(t.at, moment), t.turn
                    offset 0) a) given;
    with keyed as (
        insert into customer_key (tenant_id, key, customer_id, people)
        select of_tenant, named.key, customers[named.place], named.marks::bigint[]
          from unnest(key_names, key_of, key_people) as named(key, place, marks)
         where numbers[named.place] is not null
        returning 1
    ), incoming as materialized (
        select numbers[i.n] as lead_id, lead_sources[i.n] as source, lead_names[i.n] as external_id, coalesce(lead_times[i.n], moment) as created_at, i.name, i.phone, i.email,
               i.company, i.declared_customer, customers[i.n] as customer_id, i.region, i.industry, i.product, i.campaign, i.ad_id, i.landing_page,
               coalesce(i.priority, 0) as priority, i.attributes, i.enquiry
          from json_to_recordset(facts)
               as i(n int, name text, phone text, email text, company text, declared_customer text, region text, industry text, product text, campaign text,
                    ad_id text, landing_page text, priority int, attributes jsonb, enquiry text)
         where numbers[i.n] is not null
    ), stored as (
        insert into lead (tenant_id, lead_id, source, external_id, created_at, received_at, name, phone, email, company, declared_customer,
                          customer_id, region, industry, product, campaign, ad_id, landing_page, priority, attributes, enquiry)
        select of_tenant, i.lead_id, i.source, i.external_id, i.created_at, moment, i.name, i.phone, i.email,
               i.company, i.declared_customer, i.customer_id, i.region, i.industry, i.product, i.campaign, i.ad_id, i.landing_page, i.priority, i.attributes, i.enquiry
          from incoming i
         where (select count(*) from keyed) >= 0
        returning 1
    ), in_pool as (
        insert into lead_pool (tenant_id, lead_id, rank, queued_at, created_at, customer_id, source, region, industry, product, campaign,
                               ad_id, landing_page)
        select of_tenant, i.lead_id, -i.priority, moment, i.created_at, i.customer_id, nullif(i.source, ''),
               i.region, i.industry, i.product, i.campaign, i.ad_id, i.landing_page
          from incoming i
         order by i.priority desc, i.lead_id
    ), answered as (
        insert into idempotency as kept (tenant_id, route, key, body_hash, lead_id, answer, expires_at)
        select of_tenant, of_route, asked.key, asked.hash, numbers[asked.place], convert_to(format(answer_form, numbers[asked.place]), 'UTF8'),
               moment + make_interval(secs => key_holds_s)
          from unnest(request_keys, request_of, request_hashes) as asked(key, place, hash)
         where numbers[asked.place] is not null and (select count(*) from stored) >= 0
         order by asked.key
            on conflict on constraint idempotency_pkey do update
           set body_hash = excluded.body_hash, lead_id = excluded.lead_id, answer = excluded.answer, expires_at = excluded.expires_at
         where kept.expires_at <= moment
        returning 1
    )
    select count(*) into keys_stored from answered;
    if keys_stored < (select count(*) from unnest(request_of) as asked(place) where numbers[asked.place] is not null) then
        raise unique_violation using message = 'the key of a request is stored already', constraint = 'idempotency_pkey';
    end if;
    return numbers;
end $body$;

-- migrate: rollback

drop function store_new(int, text, timestamptz, float8, int, text[], text[], timestamptz[], int[], json, uuid[], int[], text[], text, text[], int[], bytea[], text, float8);
