-- name: table(tenant_id)
-- All synonyms of a tenant.
select field, word, spelling, author, changed_at from synonym where tenant_id = :tenant_id order by field, spelling, word;

-- name: lock(tenant_id)
-- Holds the tenant against other changes of its synonyms.
select tenant_id from tenant where tenant_id = :tenant_id for no key update;

-- name: put(tenant_id, fields, words, spellings, author)!
-- Adds synonyms and changes those that are spelled otherwise.
insert into synonym (tenant_id, field, word, spelling, author)
select :tenant_id, new.field, new.word, new.spelling, :author
  from unnest(:fields::text[], :words::text[], :spellings::text[]) as new(field, word, spelling)
    on conflict (tenant_id, field, word)
    do update set spelling = excluded.spelling, author = excluded.author, changed_at = excluded.changed_at
 where synonym.spelling <> excluded.spelling;

-- name: remove(tenant_id, fields, words)!
-- Removes synonyms.
delete from synonym
 where tenant_id = :tenant_id and (field, word) in (select * from unnest(:fields::text[], :words::text[]));

-- name: sources_with_leads(tenant_id, sources)
-- Those of the named sources that leads have.
select named.source from unnest(:sources::text[]) as named(source)
 where exists (select from lead where tenant_id = :tenant_id and lead.source = named.source);
