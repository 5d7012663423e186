-- Facts of leads that nobody has worked on are corrected from a file, and what they were is kept for replays of earlier batches.
-- depends: 0028_imports

-- migrate: apply

alter table lead_correction add column facts_before text[] check (cardinality(facts_before) = 7);
comment on table lead_correction is 'What people corrected of leads: up to the batch batch_no the lead was decided with created_before (after it with created_after), and with facts_before (null = facts were not corrected): source, region, industry, product, campaign, ad_id, landing_page. change_id = the change that tells who and why.';

-- migrate: rollback

alter table lead_correction drop column facts_before;
comment on table lead_correction is 'Creation times that a person corrected: up to the batch batch_no the lead was decided with created_before, after it with created_after. change_id = the change that tells who and why.';
