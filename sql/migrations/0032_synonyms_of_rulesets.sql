-- A version of the rules keeps the words that the tenant's synonyms had for its values when it was applied.
-- depends: 0031_taken_over

-- migrate: apply

alter table ruleset add column synonyms jsonb not null default '{}' check (jsonb_typeof(synonyms) = 'object');
comment on table ruleset is 'The routing rules as YAML, immutable once applied; lists has the texts of the files that conditions name, by name; synonyms, by field, the values of conditions for which the tenant had another word at that time, with that word.';

-- migrate: rollback

alter table ruleset drop column synonyms;
comment on table ruleset is 'The routing rules as YAML, immutable once applied; lists has the texts of the files that conditions name, by name.';
